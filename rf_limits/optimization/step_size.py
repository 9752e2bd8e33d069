"""Learning rates from the largest eigenvalue of the tangent kernel.

Near initialization the loss (mean of half squared errors, over alpha^2) has curvature
lambda_max(Theta)/n along its steepest direction, whatever alpha, Theta being the n x n
empirical NTK over the trainable layers. During training it grows, relative to its start by up to
about 3.5 |f*|/(alpha S), with |f*| the root mean square of the target and S the network's
``aligned_size`` (docs/theory.md, section 9).
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check
from rf_limits.models.network import Params
from rf_limits.optimization.optimizers import OptimizerSpec, trainable_mask
from rf_limits.regression.backward_errors import norm

_AUTO = 0.4
_PRODUCTS = 20  # with the matrix, of a power iteration
AUTOMATIC = ("auto", "auto_ntk")
"""Step sizes from the empirical tangent kernel, or from the one of infinite width."""


def sharpness(gram: Float[Array, "n n"]) -> Float[Array, ""]:
    """Returns lambda_max(Theta)/n: curvature of the loss at initialization."""
    return jnp.linalg.eigvalsh(gram)[-1] / gram.shape[0]


def population_sharpness(
    slope_square: Callable[[Params], Float[Array, ""]], init: Params, trainable: str = "both"
) -> Float[Array, ""]:
    """Returns :func:`sharpness` with infinite data: of half the population risk at ``init``.

    It is the largest eigenvalue of E grad g grad g^T over the trainable layers, by power iteration
    on its exact Gaussian form; the error falls like the 40th power of the ratio of the two largest
    eigenvalues, about 1/5 for relu.

    Args:
      slope_square: returns E <grad g_0, change>^2 of a change, g_0 the network at ``init``
        (:class:`rf_limits.measure.risk.ExactRisks`).
      init: where the gradient is taken, float64.
      trainable: layers that move.
    """
    mask = trainable_mask(init, trainable)

    def keep(tree: Params) -> Params:
        return jax.tree.map(lambda leaf, on: leaf if on else jnp.zeros_like(leaf), tree, mask)

    def energy(change: Params) -> Array:
        return 0.5 * slope_square(keep(change))

    def length(tree: Params) -> Array:
        return norm(*jax.tree.leaves(tree))

    def improve(_: Array, carry: tuple[Params, Array]) -> tuple[Params, Array]:
        image = keep(jax.grad(energy)(carry[0]))
        size = length(image)
        return jax.tree.map(lambda leaf: leaf / jnp.where(size > 0, size, 1.0), image), size

    start = keep(init)
    start = jax.tree.map(lambda leaf: leaf / length(start), start)
    return jax.lax.fori_loop(0, _PRODUCTS, improve, (start, jnp.zeros(())))[1]


def growth_factor(aligned: float, target_size: float) -> float:
    """Returns the factor of ``"auto"`` by which training stays stable as Theta grows.

    Args:
      aligned: alpha times ``network.aligned_size``.
      target_size: root mean square of f*.

    Returns:
      min(1, alpha S/(sqrt(2) |f*|)): 1 unless weights must grow to fit the target.
    """
    return min(1.0, aligned / (math.sqrt(2.0) * target_size))


Rate = float | tuple[float, ...] | str
"""A learning rate, one for each lazy scale, or one of :data:`AUTOMATIC`."""


def rates_by_scale(value: Rate, num_scales: int) -> tuple[float | None, ...]:
    """Returns learning rates by lazy scale; None stands for one of :data:`AUTOMATIC`.

    Raises:
      RequirementError: another number of rates than ``num_scales``.
    """
    if not isinstance(value, tuple):
        return (None if value in AUTOMATIC else float(value),) * num_scales
    requirement = f"be one number, or one for each of the {num_scales} lazy scales"
    check(len(value) == num_scales, "training.learning_rate", requirement, value)
    return value


def check_auto(spec: OptimizerSpec) -> None:
    """Refuses ``"auto"`` for optimizers to which it does not apply.

    Raises:
      RequirementError: neither sgd nor gradient flow.
    """
    check(
        spec.stability_limit is not None or spec.is_gradient_flow,
        "training.learning_rate",
        f"be a number for {spec.name} ('auto' follows from the NTK for sgd only)",
        "auto",
    )


def resolve_learning_rate(rate: float | None, spec: OptimizerSpec, curvature: float) -> float:
    """Returns the step size to use at a given curvature.

    Args:
      rate: a number; None for ``"auto"``.
      spec: the optimizer.
      curvature: :func:`sharpness`.

    Returns:
      ``rate`` itself, or for ``"auto"`` a fifth of gradient descent's stability limit,
      0.4/curvature (:func:`growth_factor` takes account of the growth of the kernel).

    Raises:
      RequirementError: a step size at which the linearized network must diverge, or
        ``"auto"`` for an optimizer other than sgd and gradient flow.
    """
    limit = spec.stability_limit
    if rate is None:
        check_auto(spec)
        # Zero curvature: every neuron is off on every training input and nothing will move.
        return _AUTO / curvature if curvature > 0.0 else 1.0
    if limit is not None and rate * curvature >= limit:
        raise RequirementError(
            f"training.learning_rate must be below {limit / curvature:.4g}, where the linearized "
            f"network starts to diverge (largest NTK eigenvalue over n: {curvature:.4g}), but "
            f"received {rate:g}."
        )
    return rate
