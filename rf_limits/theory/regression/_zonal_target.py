"""A kernel |x||x'| h and a target known by degree, in the form that learning curves take."""

import numpy as np

from rf_limits.errors import check, check_choice
from rf_limits.theory.regression._modes import Modes, zonal_modes
from rf_limits.theory.regression._risks import TargetParts
from rf_limits.theory.spectra.coefficients import DegreeCoefficients
from rf_limits.theory.spectra.profiles import DegreeProfiles, Profiles
from rf_limits.theory.spectra.spectrum import ZonalSpectrum
from rf_limits.theory.spectra.zonal import INPUTS

ZonalTarget = ZonalSpectrum | DegreeCoefficients | DegreeProfiles


def zonal_problem(
    kernel: ZonalSpectrum, target: ZonalTarget, inputs: str, norm: float, degree: int | None
) -> tuple[Modes, TargetParts]:
    """Returns the modes of the kernel and the target in them, in the degrees that both hold.

    Args:
      kernel: spectrum of h.
      target: spectrum of a neuron's family without bias, or any target by degree.
      inputs: ``"gaussian"`` or ``"sphere"``.
      norm: by which the target is multiplied.
      degree: keep only this degree of the target.

    Raises:
      RequirementError: spectra of different dimensions, a degree that they do not hold, or a
        target that was projected for other inputs.
    """
    check_choice(inputs, INPUTS, "inputs")
    check(kernel.dim == target.dim, "kernel.dim", f"be {target.dim}, the target's", kernel.dim)
    if inputs == "gaussian":
        known = not isinstance(target, DegreeCoefficients)
        asked = "be given by profiles_by_degree, or as a spectrum, under Gaussian inputs"
    else:
        known = not isinstance(target, DegreeProfiles)
        asked = "be given by coefficients_by_degree, or as a spectrum, on the sphere"
    check(known, "target", asked, type(target).__name__)
    count = min(kernel.max_degree, target.max_degree) + 1
    energies, square = norm**2 * target.weights, norm**2
    outside = max(square * target.total - float(np.sum(energies[:count])), 0.0)
    profiles, beyond = None, outside
    if isinstance(target, DegreeProfiles) and target.profiles is not None:
        values, law = target.profiles
        profiles = Profiles(norm * values[:count], law)
        lost = norm**2 * values[count:] ** 2 @ (law.weights * law.nodes)
        beyond = square * target.beyond + float(np.sum(lost))
    energies = energies[:count]
    if degree is not None:
        check(0 <= degree < count, "degree", f"be from 0 to {count - 1}", degree)
        kept = np.arange(count) == degree
        energies, outside, beyond = np.where(kept, energies, 0.0), 0.0, 0.0
        if profiles is not None:
            profiles = Profiles(np.where(kept[:, None, None], profiles.values, 0.0), profiles.law)
            whole = float(np.sum(profiles.energies))
            outside = max(whole - float(np.sum(energies)), 0.0)
    return zonal_modes(kernel, count), TargetParts(energies, outside, beyond, profiles)
