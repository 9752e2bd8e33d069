r"""E sin(h) sin(g) in closed form, with derivatives of every order."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.theory.expectations.angles import pairwise_angles, unit_vectors
from rf_limits.theory.expectations.stein import with_stein_derivatives


def _turned(x: Array, order: int) -> tuple[Array, Array]:
    """Returns the derivative of sin of this order at ``x``, and the next one."""
    signs = (jnp.sin(x), jnp.cos(x), -jnp.sin(x), -jnp.cos(x), jnp.sin(x))
    return signs[order % 4], signs[order % 4 + 1]


def _derivatives(i: int, j: int, w: Array, a: Array, v: Array, b: Array) -> Array:
    """Returns E sin^{(i)}(h) sin^{(j)}(g) from E cos(h -+ g) = cos(a -+ b) exp(-|w -+ v|^2/2).

    For i = j = 0 sin a sin b exp(-(|w|^2 + |v|^2)/2) cosh <w, v> + cos a cos b (the same with
    sinh), both without overflow and without cancellation for small weights.
    """
    inner = w @ v.T
    (unit_w, norms_w), (unit_v, norms_v) = unit_vectors(w), unit_vectors(v)
    size = jnp.abs(inner)
    # (|w|^2 + |v|^2)/2 - |<w, v>| = (|w| - |v|)^2/2 + |w||v| (1 - |c|)
    angles = pairwise_angles(unit_w, unit_v)
    n, m = norms_w[:, None], norms_v[None, :]
    gap = 0.5 * (n - m) ** 2 + n * m * jnp.minimum(angles.one_minus, angles.one_plus)
    envelope = 0.5 * jnp.exp(-gap)
    small = -jnp.expm1(-2.0 * size)
    (sin_a, cos_a), (sin_b, cos_b) = _turned(a[:, None], i), _turned(b[None, :], j)
    even = envelope * (2.0 - small) * sin_a * sin_b
    return even + jnp.sign(inner) * envelope * small * cos_a * cos_b


_differentiable = with_stein_derivatives(_derivatives)


def sine_gram(
    w: Float[Array, "m d"], a: Float[Array, "m"], v: Float[Array, "k d"], b: Float[Array, "k"]
) -> Float[Array, "m k"]:
    """Returns E sin(<w_i, x> + a_i) sin(<v_j, x> + b_j)."""
    return _differentiable(0, 0, w, a, v, b)
