"""Targets drawn by name."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from rf_limits.errors import check, check_choice
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import check_polynomial, make_polynomial, polynomial_axes
from rf_limits.problem.target import Target

TARGETS = ("single_neuron", "teacher", "polynomial")


def make_target(
    key: Key[Array, ""],
    kind: str,
    *,
    dim: int,
    norm: float = 1.0,
    bias: float = 0.0,
    neurons: int = 3,
    degree: int = 2,
    polynomial: str = "single_index",
) -> Target:
    """Draws a target with uniformly random direction(s).

    Args:
      key: typed PRNG key for directions (and the teacher's signs).
      kind: ``"single_neuron"``; ``"teacher"`` (``neurons`` weight vectors of length
        ``norm``, all with bias ``bias``, output weights random signs over sqrt(neurons));
        ``"polynomial"`` (:func:`~rf_limits.problem.polynomial_kinds.make_polynomial`).
      dim: input dimension d.
      norm: |w*|, or the polynomial's root mean square.
      bias: b*; must be zero for a polynomial.
      neurons: size of the teacher.
      degree: degree of the polynomial.
      polynomial: kind of polynomial (:data:`~rf_limits.problem.polynomial_kinds.POLYNOMIALS`).

    Returns:
      A :class:`Target`.

    Raises:
      RequirementError: a kind that does not exist or an impossible size.
    """
    check_choice(kind, TARGETS, "problem.target")
    check(dim >= 1, "problem.dim", "be at least 1", dim)
    check(norm > 0.0, "problem.norm", "be positive", norm)
    directions_key, signs_key = jax.random.split(key)
    if kind == "single_neuron":
        direction = jax.random.normal(directions_key, (dim,), jnp.float64)
        return SingleNeuron.create(direction, norm, bias)
    if kind == "polynomial":
        check(bias == 0.0, "problem.bias", "be 0 for a polynomial target", bias)
        check_polynomial(polynomial, degree, dim)
        count = polynomial_axes(polynomial, degree)
        axes = jnp.linalg.qr(jax.random.normal(directions_key, (dim, count), jnp.float64))[0].T
        return make_polynomial(axes, polynomial, degree, norm)
    check(neurons >= 1, "problem.neurons", "be at least 1", neurons)
    directions = jax.random.normal(directions_key, (neurons, dim), jnp.float64)
    directions = norm * directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    signs = jax.random.rademacher(signs_key, (neurons,), jnp.float64)
    return Teacher(directions, jnp.full(neurons, bias), signs / jnp.sqrt(neurons))
