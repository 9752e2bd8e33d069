"""Step sizes of every seed and lazy scale, from the curvature of each one's loss."""

import math
from functools import partial

import jax
import numpy as np

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.processes import on_host
from rf_limits.errors import check
from rf_limits.measure.risk import ExactRisks
from rf_limits.methods import NTK
from rf_limits.models import (
    InfiniteNetwork,
    OneHiddenLayer,
    Params,
    ScaledNetwork,
    tangent_kernel,
)
from rf_limits.models.zonal_kernels import has_zonal_kernels, zonal_kernels
from rf_limits.optimization.linearized import Spectrum
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.step_size import (
    growth_factor,
    population_sharpness,
    rates_by_scale,
    resolve_learning_rate,
    sharpness,
)
from rf_limits.training.networks import Networks


def step_sizes(networks: Networks, curvatures: np.ndarray) -> np.ndarray:
    """Returns learning rates by seed and lazy scale.

    Args:
      networks: before training.
      curvatures: (seeds,) of the loss at initialization.

    Returns:
      (seeds, scales) float64.

    Raises:
      RequirementError: a step size at which the linearized network must diverge.
    """
    config = networks.config
    scales = config.model.lazy_scales
    size = networks.network.aligned_size(config.problem.dim)
    target_size = math.sqrt(networks.seeded.problem.second_moment)
    spec = parse_optimizer(config.training.optimizer)
    rates = rates_by_scale(config.training.learning_rate, len(scales))

    def step_size(curvature: float, rate: float | None, alpha: float) -> float:
        resolved = resolve_learning_rate(rate, spec, curvature)
        return resolved * growth_factor(alpha * size, target_size) if rate is None else resolved

    pairs = list(zip(rates, scales, strict=True))
    return np.array([[step_size(float(c), *pair) for pair in pairs] for c in curvatures])


def curvatures_at_start(
    networks: Networks,
    limit: InfiniteNetwork,
    exact: ExactRisks | None,
    spectra: Spectrum | None,
) -> np.ndarray:
    """Returns curvatures of every seed's loss at initialization, or of infinite width.

    Args:
      networks: before training; ``training.learning_rate`` of their config says which of the two.
      limit: the architecture, and its kernels as the width grows.
      exact: the risk that is trained on, for ``data.kind = "population"``.
      spectra: of every seed's tangent kernel, where they are known.

    Returns:
      (seeds,) largest eigenvalue of the tangent kernel over n, or over the population.
    """
    config, network, trainable = networks.config, limit.network, limit.trainable
    inits, x_train = networks.inits, networks.seeded.data.x_train
    population = config.data.kind == "population"
    if config.training.learning_rate == "auto_ntk":
        if population:
            return np.full(config.seeds, _population_limit(config, network))
        of = jax.jit(lambda x: sharpness(limit.kernels(x).ntk))
        return np.asarray(jax.lax.map(of, x_train))
    if population:
        assert exact is not None  # else the config is refused

        def of_population(init: Params) -> jax.Array:
            slope_square = partial(exact.slope_square, ScaledNetwork(network, init))
            return population_sharpness(slope_square, init, trainable)

        return np.asarray(jax.lax.map(jax.jit(of_population), inits))
    if spectra is not None:
        return on_host(spectra.eigenvalues)[:, -1] / config.data.num_train
    of = jax.jit(lambda init, x: sharpness(tangent_kernel(network, init, x, layers=trainable)))
    return np.asarray(jax.lax.map(lambda seed: of(*seed), (inits, x_train)))


def _population_limit(config: TrainingConfig, network: OneHiddenLayer) -> float:
    """Returns the NTK's largest eigenvalue over x ~ N(0, I_d): d times that on the sphere."""
    dim = config.problem.dim
    check(
        has_zonal_kernels(network) and dim >= 2,
        "training.learning_rate",
        "be a number or auto for data.kind = 'population' with biases, another activation than "
        "relu, or one dimension",
        "auto_ntk",
    )
    spectrum = zonal_kernels(network, dim, 4, config.model.trainable)[NTK.key]
    return dim * float(np.max(spectrum.eigenvalues))
