"""Exact risks of infinite-width kernel predictors."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.measure.risk import Risk
from rf_limits.models.network import OneHiddenLayer
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.problem.problem import Problem
from rf_limits.problem.sampled import SampledTarget
from rf_limits.theory.risks.degree_risks import degree_risks
from rf_limits.theory.risks.kernel_predictors import (
    MAX_DEGREE,
    KernelPredictor,
    KernelSeries,
    kernel_moments,
    kernel_series,
)


@dataclasses.dataclass(frozen=True, eq=False)
class ExactKernelRisk:
    """Exact risks of combinations of kernel sections: sum_i c_i k(x, x_i).

    Attributes:
      series: by kernel, "nngp" and "ntk", the series of its moments.
      eigenvalues: by kernel, (K + 1,) eigenvalues up to ``max_degree``.
      problem: what is learned.
      max_degree: largest degree whose risk is measured as well, or -1 for none.
    """

    series: Mapping[str, KernelSeries]
    eigenvalues: Mapping[str, np.ndarray]
    problem: Problem
    max_degree: int

    def of(
        self, kernel: str, points: Float[Array, "n d"], coefficients: Float[Array, "T n"]
    ) -> Risk:
        """Returns risks of T combinations of the sections of ``kernel`` at ``points``."""
        moments, problem = kernel_moments(self.series[kernel], points), self.problem
        value = jax.vmap(lambda c: moments.risk(c, problem.second_moment))(coefficients)
        if self.max_degree < 0:
            return Risk(value, jnp.zeros_like(value))

        def by_degree(c: Array) -> Array:
            f = KernelPredictor(points, c, self.eigenvalues[kernel])
            return degree_risks(f, problem.target, self.max_degree, inputs=problem.inputs)

        return Risk(value, jnp.zeros_like(value), jax.lax.map(by_degree, coefficients))


def exact_kernel_risk(
    network: OneHiddenLayer, problem: Problem, trainable: str = "both", max_degree: int = -1
) -> ExactKernelRisk | None:
    """Returns the exact risks of the kernels of ``network``, or None where they are not known.

    They are for relu without hidden biases if the dimension is at least 2, for every target that
    is known by degree and both input distributions: kernel sections are homogeneous, and the
    target is asked only for its degrees at the radii that inputs have.

    Args:
      network: the architecture.
      problem: what is learned; the label noise does not enter.
      trainable: layers whose parameters move, for the NTK.
      max_degree: largest degree whose risk is measured as well, or -1 for none.
    """
    sampled = isinstance(problem.target, SampledTarget)
    if not has_zonal_kernels(network) or problem.dim < 2 or sampled:
        return None
    return _exact_kernel_risk(network, problem.noiseless, trainable, max_degree)


@functools.lru_cache(maxsize=64)
def _exact_kernel_risk(
    network: OneHiddenLayer, problem: Problem, trainable: str, max_degree: int
) -> ExactKernelRisk:
    """Returns the same object for the same arguments: programs compiled for it serve all runs."""
    tails, target = problem.degree_tails(MAX_DEGREE), problem.target
    spectra = zonal_kernels(network, problem.dim, max(MAX_DEGREE, max_degree), trainable)
    series = {
        name: kernel_series(spectrum, target, tails, problem.second_moment, problem.inputs)
        for name, spectrum in spectra.items()
    }
    eigenvalues = {name: s.eigenvalues[: max_degree + 1] for name, s in spectra.items()}
    return ExactKernelRisk(series, eigenvalues, problem, max_degree)
