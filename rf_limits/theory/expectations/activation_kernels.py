r"""E sigma(h) sigma(g) of many rows for any activation, with an error, in little memory.

Mehler's formula (:mod:`~rf_limits.theory.expectations.hermite_gram`) for one activation without
offsets, summed pair by pair up to the degree that these rows need. A jump at 0 of sigma or of a
derivative would leave coefficients that fall as a power of the degree. With j_p the jump of the
p-th derivative,

.. math:: \sigma(h) = s(h) + \sum_{p=0}^2 j_p\,\mathrm{relu}(h)^p/p!,

E of products of powers of relu has closed forms
(:mod:`~rf_limits.theory.expectations.gaussian_gram`), and the series of products with s falls as
fast as the coefficients of s.
"""

import math
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.theory.expectations.activations import Elementwise, slope
from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.expectations.hermite_gram import (
    coefficients,
    gate_coefficients,
    sided_coefficients,
)

DEGREE = 1023
"""Degrees summed at most."""

_TINY = 1e-200
_ROUNDING = 1e-14  # errors and jumps below are those of rounding
_NEGLIGIBLE = 1e-18  # terms of a series, relative
_ENTRIES = 2**13  # of a block of rows whose series is summed in cache
_AT_LEAST = 8  # rows of such a block, for which coefficients are read together
_UNROLLED = 4  # degrees added in one pass over them; K + 1 and (K + 1)/2 are multiples


_POWERS = ("step", "relu", "relu_squared")


class Jumps(NamedTuple):
    """What an activation does at 0.

    Attributes:
      value: jump of the function itself.
      slope: jump of its derivative.
      curvature: jump of its second derivative.
    """

    value: float
    slope: float
    curvature: float

    @property
    def weights(self) -> dict[int, float]:
        """Of relu(h)^p by power p, those that are not 0."""
        sizes = (self.value, self.slope, 0.5 * self.curvature)
        return {power: size for power, size in enumerate(sizes) if size != 0.0}


class Rows(NamedTuple):
    """An activation's coefficients along rows of weights.

    Attributes:
      rows: (n, d) the weights.
      full: (n, K + 1) Hermite coefficients of sigma(|w_i| z).
      gate: (n, K + 1) those of the powers of relu alone, or None where nothing jumps.
      error: (n,) what degrees beyond K and the quadrature leave of E sigma^2, relative: an
        estimate; 0 where it is rounding, below 1e-14.
    """

    rows: Float[Array, "n d"]
    full: Float[Array, "n K"]
    gate: Float[Array, "n K"] | None
    error: Float[Array, "n"]


@lru_cache(maxsize=64)
def jumps_at_zero(function: Elementwise) -> Jumps:
    """Returns the jumps of a function and of its first two derivatives at 0.

    Raises:
      RequirementError: values or derivatives that are not finite beside 0.
    """

    def at(distance: float) -> list[float]:
        sides = jnp.asarray([distance, -distance])
        slopes, curvatures = jax.jvp(partial(slope, function), (sides,), (jnp.ones(2),))
        return [float(pair[0] - pair[1]) for pair in (function(sides), slopes, curvatures)]

    with jax.ensure_compile_time_eval():
        nearest, near = at(_TINY), at(math.sqrt(_TINY))
    pairs = zip(nearest, near, strict=True)
    same = all(abs(a - b) <= _ROUNDING * max(1.0, abs(b)) for a, b in pairs)
    requirement = "have values and two derivatives that are finite on both sides of 0"
    check(same, "model.activation", requirement, getattr(function, "__name__", function))
    return Jumps(*(jump if abs(jump) > _ROUNDING else 0.0 for jump in nearest))


def activation_rows(function: Elementwise, w: Float[Array, "n d"], degree: int = DEGREE) -> Rows:
    """Returns the coefficients of an activation along rows, for :func:`activation_gram`.

    Args:
      function: the activation, elementwise, growing at most polynomially; analytic but for
        jumps at 0.
      w: (n, d) weights, float64.
      degree: highest degree K; K + 1 is a multiple of 8.

    Returns:
      :class:`Rows`, at n (K + 1) numbers. Kinks elsewhere show in ``error``.

    Raises:
      RequirementError: another degree.
    """
    check((degree + 1) % (2 * _UNROLLED) == 0, "degree", "be 7, 15, 23, ...", degree)
    norms = unit_vectors(w)[1]
    weights = jumps_at_zero(function).weights
    if weights:
        found, gate = sided_coefficients(function, norms, degree), jnp.zeros(())
        for power, weight in weights.items():
            part = gate_coefficients(norms, jnp.zeros_like(norms), degree, power=power).full
            gate = gate + weight * math.factorial(power) * part
        gate = jnp.where(norms[:, None] > 0.0, gate, 0.0)  # a row of zeros crosses nothing
    else:
        found, gate = coefficients(function, norms, jnp.zeros_like(norms), degree), None
    size = jnp.maximum(_lengths(found.full), _TINY)
    smooth = found.full if gate is None else found.full - gate
    tail, whole = (_lengths(part[:, -(degree // 4) :]) / size for part in (smooth, found.full))
    # half the step divides the error of the rule by 4 or more: a third is left of what it changes
    rule = _lengths(found.full - found.coarse) / (3.0 * size)
    # of s sigma + sigma s - s s, which is what is summed
    error = 2.0 * rule + (tail**2 if gate is None else tail * (2.0 * whole + tail))
    return Rows(w, found.full, gate, jnp.where(error <= _ROUNDING, 0.0, error))


def _lengths(rows: Array) -> Array:
    return jnp.sqrt(jnp.sum(rows**2, axis=1))


def _terms(left: Rows, right: Rows) -> Array:
    """Returns (K + 1,) the largest term of each degree, relative."""

    def largest(rows: Rows) -> tuple[Array, Array]:
        smooth = rows.full if rows.gate is None else rows.full - rows.gate
        size = jnp.maximum(_lengths(rows.full), _TINY)[:, None]
        return jnp.max(jnp.abs(smooth) / size, axis=0), jnp.max(jnp.abs(rows.full) / size, axis=0)

    (smooth, full), (other_smooth, other_full) = largest(left), largest(right)
    return jnp.maximum(smooth * other_full, full * other_smooth)


def activation_gram(left: Rows, right: Rows, function: Elementwise) -> Float[Array, "m k"]:
    """Returns E sigma(<w_i, x>) sigma(<v_j, x>) for x ~ N(0, I_d), all pairs of rows.

    Args:
      left: m rows, from :func:`activation_rows`.
      right: k rows, of the same function and degree.
      function: that function.

    Returns:
      (m, k) expectations; relative to the root of E sigma^2 E sigma^2 their error is the larger
      of the two rows' (an estimate). Differentiable forward, not in reverse.
    """
    degrees = jnp.arange(left.full.shape[1])
    counted = jnp.where(_terms(left, right) > _NEGLIGIBLE, degrees, -1)
    even, odd = jnp.max(counted[::2]), jnp.max(counted[1::2])

    def all_degrees() -> Array:
        return _series(left, right, slice(None), jnp.maximum(even, odd))

    branches = (
        all_degrees,
        lambda: _series(left, right, slice(0, None, 2), even // 2),
        lambda: _series(left, right, slice(1, None, 2), odd // 2),
    )
    series = jax.lax.switch(jnp.where(odd < 0, 1, jnp.where(even < 0, 2, 0)), branches)
    weights = jumps_at_zero(function).weights
    return series + _powers_gram(left.rows, right.rows, weights) if weights else series


def _powers_gram(w: Array, v: Array, weights: dict[int, float]) -> Float[Array, "m k"]:
    """Returns E of products of the sum of weights times powers of relu, a few rows at a time."""

    def one(row: Array) -> Array:
        parts = [
            weight * other * gaussian_gram(row[None], None, v, None, _POWERS[p], _POWERS[q])[0]
            for p, weight in weights.items()
            for q, other in weights.items()
        ]
        return sum(parts[1:], parts[0])

    return jax.lax.map(one, w, batch_size=_batch(len(w), len(v)))


def _series(left: Rows, right: Rows, chosen: slice, top: Array) -> Float[Array, "m k"]:
    """Returns the series over all, all even or all odd degrees, up to the ``top``-th."""
    own = [rows[:, chosen] for rows in (left.full, left.gate) if rows is not None]
    others = [rows[:, chosen].T for rows in (right.full, right.gate) if rows is not None]
    signs = (1.0, -1.0)
    unit_v = unit_vectors(right.rows)[0]
    steps = top // _UNROLLED + 1
    start = _UNROLLED * steps - 1

    def one(row: tuple) -> Array:
        unit, *coefficients = row
        cosine = unit_v @ unit
        factor = cosine if chosen.step is None else cosine**2

        def step(i: Array, total: Array) -> Array:
            for k in range(_UNROLLED):
                at = start - _UNROLLED * i - k
                term = sum(
                    sign * a[at] * b[at]
                    for sign, a, b in zip(signs, coefficients, others, strict=False)
                )
                total = total * factor + term
            return total

        total = jax.lax.fori_loop(0, steps, step, jnp.zeros_like(cosine))
        return total * cosine if chosen.start == 1 else total

    rows = (unit_vectors(left.rows)[0], *own)
    return jax.lax.map(one, rows, batch_size=_batch(len(left.rows), len(right.rows)))


def _batch(rows: int, columns: int) -> int:
    """Returns rows that are computed together."""
    return min(max(_ENTRIES // columns, _AT_LEAST), rows)
