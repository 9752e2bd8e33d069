"""Learning rates from the largest eigenvalue of the tangent kernel.

Near initialization the loss (mean of half squared errors, over alpha^2) has curvature
lambda_max(Theta)/n along its steepest direction, whatever alpha, Theta being the n x n
empirical NTK over the trainable layers.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import RequirementError, check
from rf_limits.learning.optimizers import OptimizerSpec

_AUTO = 0.4


def sharpness(gram: Float[Array, "n n"]) -> Float[Array, ""]:
    """lambda_max(Theta)/n: curvature of the loss at initialization."""
    return jnp.linalg.eigvalsh(gram)[-1] / gram.shape[0]


def parse_learning_rate(value: str | float) -> float | None:
    """A positive number, or None for ``"auto"``.

    Raises:
      RequirementError: anything else.
    """
    if value == "auto":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    check(
        math.isfinite(number) and number > 0.0,
        "training.learning_rate",
        'be a positive number or "auto"',
        value,
    )
    return number


def resolve_learning_rate(value: str | float, spec: OptimizerSpec, curvature: float) -> float:
    """The step size to use at a given curvature.

    Args:
      value: ``"auto"`` or a number.
      spec: the optimizer.
      curvature: :func:`sharpness`.

    Returns:
      ``value`` itself, or for ``"auto"`` a fifth of gradient descent's stability limit,
      0.4/curvature: at small lazy scales the tangent kernel was measured to grow about
      fivefold during training, and half the limit was measured to leave such networks stuck
      at a large loss (docs/theory.md).

    Raises:
      RequirementError: a step size at which the linearized network must diverge, or
        ``"auto"`` for an optimizer other than sgd.
    """
    number = parse_learning_rate(value)
    limit = spec.stability_limit
    if number is None:
        check(
            limit is not None,
            "training.learning_rate",
            f"be a number for {spec.name} ('auto' follows from the NTK for sgd only)",
            value,
        )
        # Zero curvature: every neuron is off on every training input and nothing will move.
        return _AUTO / curvature if curvature > 0.0 else 1.0
    if limit is not None and number * curvature >= limit:
        raise RequirementError(
            f"training.learning_rate must be below {limit / curvature:.4g}, where the linearized "
            f"network starts to diverge (largest NTK eigenvalue over n: {curvature:.4g}), but "
            f"received {number:g}."
        )
    return number
