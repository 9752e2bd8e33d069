"""Targets drawn by name."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from rf_limits.errors import check, check_choice
from rf_limits.problem.hermite_sums import HermiteSum
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import check_polynomial, make_polynomial, polynomial_axes
from rf_limits.problem.target import Target

Fields = Mapping[str, Any]
Terms = tuple[tuple[tuple[int, ...], float], ...]


def _single_neuron(key: Key[Array, ""], fields: Fields) -> Target:
    direction = jax.random.normal(jax.random.split(key)[0], (fields["dim"],), jnp.float64)
    return SingleNeuron.create(direction, fields["norm"], fields["bias"])


def _polynomial(key: Key[Array, ""], fields: Fields) -> Target:
    kind, degree, dim = fields["polynomial"], fields["degree"], fields["dim"]
    check(fields["bias"] == 0.0, "problem.bias", "be 0 for a polynomial target", fields["bias"])
    check_polynomial(kind, degree, dim)
    size = (dim, polynomial_axes(kind, degree))
    axes = jnp.linalg.qr(jax.random.normal(jax.random.split(key)[0], size, jnp.float64))[0].T
    return make_polynomial(axes, kind, degree, fields["norm"])


def _hermite(key: Key[Array, ""], fields: Fields) -> Target:
    check(fields["bias"] == 0.0, "problem.bias", "be 0 for a hermite target", fields["bias"])
    indices, sizes = zip(*fields["terms"], strict=True)
    axes, dim = len(indices[0]), fields["dim"]
    requirement = f"be at least {axes}, the coordinates of problem.terms"
    check(dim >= max(axes, 1), "problem.dim", requirement, dim)
    drawn = jax.random.normal(jax.random.split(key)[0], (dim, axes), jnp.float64)
    return HermiteSum(jnp.linalg.qr(drawn)[0].T, indices, fields["norm"] * jnp.array(sizes))


def _teacher(key: Key[Array, ""], fields: Fields) -> Target:
    neurons = fields["neurons"]
    check(neurons >= 1, "problem.neurons", "be at least 1", neurons)
    directions_key, signs_key = jax.random.split(key)
    directions = jax.random.normal(directions_key, (neurons, fields["dim"]), jnp.float64)
    lengths = jnp.linalg.norm(directions, axis=1, keepdims=True)
    signs = jax.random.rademacher(signs_key, (neurons,), jnp.float64)
    biases = jnp.full(neurons, fields["bias"])
    return Teacher(fields["norm"] * directions / lengths, biases, signs / jnp.sqrt(neurons))


TARGETS: dict[str, Callable[[Key[Array, ""], Fields], Target]] = {
    "single_neuron": _single_neuron,
    "teacher": _teacher,
    "polynomial": _polynomial,
    "hermite": _hermite,
}
"""By name, functions that draw a target from a key and the fields of :func:`make_target`; users
add their own (docs/extending.md)."""


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
    terms: Terms = (((1, 1), 1.0),),
) -> Target:
    """Draws a target with uniformly random direction(s).

    Args:
      key: typed PRNG key for directions (and the teacher's signs).
      kind: ``"single_neuron"``; ``"teacher"`` (``neurons`` weight vectors of length
        ``norm``, all with bias ``bias``, output weights random signs over sqrt(neurons));
        ``"polynomial"`` (:func:`~rf_limits.problem.polynomial_kinds.make_polynomial`); any other
        key of :data:`TARGETS`.
      dim: input dimension d.
      norm: |w*|, the polynomial's root mean square, or a factor of a hermite target.
      bias: b*; must be zero for a polynomial.
      neurons: size of the teacher.
      degree: degree of the polynomial.
      polynomial: kind of polynomial (:data:`~rf_limits.problem.polynomial_kinds.POLYNOMIALS`).
      terms: of a hermite target, powers and a coefficient each.

    Returns:
      A :class:`Target`.

    Raises:
      RequirementError: a kind that does not exist or an impossible size.
    """
    check_choice(kind, TARGETS, "problem.target")
    check(dim >= 1, "problem.dim", "be at least 1", dim)
    check(norm > 0.0, "problem.norm", "be positive", norm)
    representable = 1e-99 <= norm <= 1e99  # a Teacher holds more: rounding does not matter
    check(representable, "problem.norm", "be from 1e-99 to 1e99, whose powers float64 holds", norm)
    check(abs(bias) <= 1e99, "problem.bias", "be at most 1e99 in size", bias)
    fields = {"dim": dim, "norm": norm, "bias": bias, "neurons": neurons, "degree": degree}
    return TARGETS[kind](key, {**fields, "polynomial": polynomial, "terms": terms})
