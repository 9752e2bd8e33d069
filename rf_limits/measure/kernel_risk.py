"""Exact risks of infinite-width kernel predictors."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.measure.risk import Risk
from rf_limits.models.network import OneHiddenLayer
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.problem.sampled import SampledTarget
from rf_limits.problem.target import Target
from rf_limits.theory.risks.degree_risks import degree_risks
from rf_limits.theory.risks.kernel_predictors import (
    MAX_DEGREE,
    KernelPredictor,
    KernelSeries,
    kernel_moments,
    kernel_series,
)
from rf_limits.theory.spectra.coefficients import sphere_tails


@dataclasses.dataclass(frozen=True, eq=False)
class ExactKernelRisk:
    """Exact risks of combinations of kernel sections: sum_i c_i k(x, x_i).

    Attributes:
      series: by kernel, "nngp" and "ntk", the series of its moments.
      eigenvalues: by kernel, (K + 1,) eigenvalues up to ``max_degree``.
      target: f*.
      second_moment: E f*^2.
      max_degree: largest degree whose risk is measured as well, or -1 for none.
      inputs: input distribution.
    """

    series: Mapping[str, KernelSeries]
    eigenvalues: Mapping[str, np.ndarray]
    target: Target
    second_moment: float
    max_degree: int
    inputs: str = "gaussian"

    def of(
        self, kernel: str, points: Float[Array, "n d"], coefficients: Float[Array, "T n"]
    ) -> Risk:
        """Returns risks of T combinations of the sections of ``kernel`` at ``points``."""
        moments = kernel_moments(self.series[kernel], points)
        value = jax.vmap(lambda c: moments.risk(c, self.second_moment))(coefficients)
        if self.max_degree < 0:
            return Risk(value, jnp.zeros_like(value))

        def by_degree(c: Array) -> Array:
            f = KernelPredictor(points, c, self.eigenvalues[kernel])
            return degree_risks(f, self.target, self.max_degree, inputs=self.inputs)

        return Risk(value, jnp.zeros_like(value), jax.lax.map(by_degree, coefficients))


def exact_kernel_risk(
    network: OneHiddenLayer,
    target: Target,
    inputs: str,
    trainable: str = "both",
    max_degree: int = -1,
) -> ExactKernelRisk | None:
    """Returns the exact risks of the kernels of ``network``, or None where they are not known.

    They are for relu without hidden biases if the dimension is at least 2, for every target that
    is known by degree and both input distributions: kernel sections are homogeneous, and the
    target is asked only for its degrees at the radii that inputs have.

    Args:
      network: the architecture.
      target: f*.
      inputs: input distribution.
      trainable: layers whose parameters move, for the NTK.
      max_degree: largest degree whose risk is measured as well, or -1 for none.
    """
    if not has_zonal_kernels(network) or target.dim < 2 or isinstance(target, SampledTarget):
        return None
    second_moment = target.second_moment(inputs)
    tails = target.degree_tails(MAX_DEGREE)
    if inputs == "sphere":
        tails = sphere_tails(target, MAX_DEGREE, second_moment, tails)
    spectra = zonal_kernels(network, target.dim, max(MAX_DEGREE, max_degree), trainable)
    series = {
        name: kernel_series(spectrum, target, tails, second_moment, inputs)
        for name, spectrum in spectra.items()
    }
    eigenvalues = {name: s.eigenvalues[: max_degree + 1] for name, s in spectra.items()}
    return ExactKernelRisk(series, eigenvalues, target, second_moment, max_degree, inputs)
