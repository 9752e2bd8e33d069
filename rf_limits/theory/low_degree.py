r"""E p(h) tau(g) for polynomials p of degree at most two, x ~ N(0, I_d).

Only the Hermite coefficients c_0, c_1, c_2 of z -> tau(|v| z + b) enter:

.. math::
    E\,h\,\tau(g) &= a c_0 + \langle w, \hat v\rangle c_1, \\
    E\,h^2\,\tau(g) &= (a^2 + |w|^2) c_0 + 2a\langle w,\hat v\rangle c_1
        + \sqrt2\langle w,\hat v\rangle^2 c_2 .
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax.scipy.special import erf, ndtr
from jaxtyping import Array, Float

from rf_limits.theory.angles import unit_vectors
from rf_limits.theory.bivariate_normal import normal_density
from rf_limits.theory.gates import scaled_bias

Three = tuple[Array, Array, Array]
_ROOT2 = 2.0**0.5


def _linear(n: Array, b: Array) -> Three:
    return b, n, jnp.zeros_like(n)


def _quadratic(n: Array, b: Array) -> Three:
    return b**2 + n**2, 2.0 * b * n, _ROOT2 * n**2


def _step(n: Array, b: Array) -> Three:
    beta = scaled_bias(b, n)
    density = normal_density(beta)
    return ndtr(beta), density, -beta * density / _ROOT2


def _relu(n: Array, b: Array) -> Three:
    opened, density, _ = _step(n, b)
    return b * opened + n * density, n * opened, n * density / _ROOT2


def _erf(n: Array, b: Array) -> Three:
    square = 1.0 + 2.0 * n**2
    slope = 2.0 * jnp.exp(-(b**2) / square) / jnp.sqrt(jnp.pi * square)
    return erf(b / jnp.sqrt(square)), n * slope, -_ROOT2 * n**2 * b / square * slope


def _gelu(n: Array, b: Array) -> Three:
    root = jnp.sqrt(1.0 + n**2)
    opened, density = ndtr(b / root), normal_density(b / root)
    mean = b * opened + n**2 * density / root
    slope = opened + b * density / root**3
    curvature = density * (1.0 / root + 1.0 / root**3 - b**2 / root**5)
    return mean, n * slope, n**2 * curvature / _ROOT2


def _sin(n: Array, b: Array) -> Three:
    damping = jnp.exp(-0.5 * n**2)
    sine = damping * jnp.sin(b)
    return sine, damping * n * jnp.cos(b), -(n**2) * sine / _ROOT2


LOW_DEGREE: dict[str, Callable[[Array, Array], Three]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "step": _step,
    "relu": _relu,
    "erf": _erf,
    "gelu": _gelu,
    "sin": _sin,
}
"""c_0, c_1, c_2 as functions of |v| and b, for the activations with closed forms."""


def polynomial_gram(
    w: Float[Array, "m d"],
    a: Float[Array, "m"],
    v: Float[Array, "k d"],
    low: Three,
    *,
    degree: int,
) -> Float[Array, "m k"]:
    """E h^degree tau(g), degree 1 or 2, from the (k,) coefficients ``low`` of tau."""
    c0, c1, c2 = (c[None, :] for c in low)
    along = w @ unit_vectors(v)[0].T
    if degree == 1:
        return a[:, None] * c0 + along * c1
    square = jnp.sum(w**2, axis=1)[:, None]
    return (a[:, None] ** 2 + square) * c0 + 2.0 * a[:, None] * along * c1 + _ROOT2 * along**2 * c2
