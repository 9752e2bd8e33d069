"""A kernel and a target, listed or known by degree, in the form that learning curves take."""

from typing import NamedTuple

import numpy as np

from rf_limits.errors import check, check_choice
from rf_limits.theory.numerics.arguments import Numbers
from rf_limits.theory.regression._equilibrium import features_equilibrium, kernel_equilibrium
from rf_limits.theory.regression._modes import Modes, energies_of, listed_modes, zonal_modes
from rf_limits.theory.regression._risks import TargetParts, learning_curve
from rf_limits.theory.regression.learning_curve import LearningCurve, Sizes
from rf_limits.theory.spectra.coefficients import DegreeCoefficients
from rf_limits.theory.spectra.profiles import DegreeProfiles, Profiles
from rf_limits.theory.spectra.radial_law import RadialLaw, radial_law
from rf_limits.theory.spectra.spectrum import ZonalSpectrum
from rf_limits.theory.spectra.zonal import INPUTS

ZonalTarget = ZonalSpectrum | DegreeCoefficients | DegreeProfiles


class Problem(NamedTuple):
    """A regression whose learning curves are computed.

    Attributes:
      modes: eigenvalues of the (mean) kernel on the directions.
      target: f* in the kernel's eigenfunctions.
      inputs: law of |x|^2/d.
    """

    modes: Modes
    target: TargetParts
    inputs: RadialLaw

    def curve(self, sizes: Sizes, features: RadialLaw | None = None) -> LearningCurve:
        """Returns expected risks of the kernel, or of random features of this law."""
        modes, target, law = self
        if features is None:
            found = kernel_equilibrium(modes, sizes, law)
        else:
            found = features_equilibrium(modes, sizes, law, features)
        return learning_curve(modes, found, sizes, target, law)

    def interpolates_noise(self, sizes: Sizes) -> np.ndarray:
        """Returns where fits without ridge pass through labels that are no function of x/|x|."""
        noisy = (sizes.noise > 0.0) | (self.target.profiles is not None)
        few = (sizes.num_train <= sizes.num_features) & (sizes.num_train < self.modes.rank)
        return noisy & few


def listed_problem(
    eigenvalues: Numbers, multiplicities: Numbers, target: Numbers, tail: float, target_tail: float
) -> Problem:
    """Returns a kernel and a target listed by eigenvalue, with what lies beyond, on a sphere.

    Raises:
      RequirementError: a negative number, or not one energy for each eigenvalue.
    """
    modes, energies = listed_modes(eigenvalues, multiplicities, tail), energies_of(target, "target")
    count = modes.eigenvalues.size
    same = energies.size == count
    check(same, "target", f"hold {count} numbers, as eigenvalues do", energies.size)
    parts = TargetParts(energies, target_tail, target_tail)
    return Problem(modes, parts, radial_law("sphere", 1))


def zonal_problem(
    kernel: ZonalSpectrum, target: ZonalTarget, inputs: str, norm: float, degree: int | None
) -> Problem:
    """Returns a kernel |x||x'| h and a target, in the degrees that both hold.

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
    parts = TargetParts(energies, outside, beyond, profiles)
    return Problem(zonal_modes(kernel, count), parts, radial_law(inputs, kernel.dim))
