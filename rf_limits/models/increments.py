r"""Activations, and their increments sigma(h + s) - sigma(h) without cancellation.

Lazy training moves a preactivation h by s, a share s/h of about 1/alpha, and the output changes by
alpha times the increment. A difference of two activations loses it once s is as small as the
rounding of h; the forms here keep the digits of s.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from numpy.polynomial.hermite import herm2poly
from numpy.polynomial.legendre import leggauss

from rf_limits.named import Named
from rf_limits.theory.expectations.activations import FUNCTIONS, Elementwise, slope

Increment = Callable[[Array, Array], Array]

ACTIVATIONS: Named[Elementwise] = Named(
    {name: function for name, function in FUNCTIONS.items() if name not in ("step", "sign")}
)
_RULE = [(0.5 + 0.5 * float(t), 0.5 * float(w)) for t, w in zip(*leggauss(12), strict=True)]
"""Points and weights of Gauss and Legendre on [0, 1]."""
_NEAR = 0.5
"""Increments of preactivations up to which 12 points integrate a smooth derivative."""
_FAR = 20.0
"""Increments of softplus from which on e^s is large and a difference of values as good."""
_ERF_NEAR = 0.0625
"""Increments up to which erf is a series; beyond, a difference loses four bits at most."""
_ERF_SERIES = [
    (herm2poly([0.0] * 2 * k + [1.0])[::-2] / math.factorial(2 * k + 1)).tolist()
    for k in reversed(range(5))
]
"""Coefficients of H_{2k}(m)/(2k + 1)! in powers of m^2, the highest first, from k = 4 down."""


def _relu(h: Array, s: Array) -> Array:
    after = h + s
    return jnp.where(h > 0.0, jnp.where(after > 0.0, s, -h), jnp.maximum(after, 0.0))


def _tanh(h: Array, s: Array) -> Array:
    return jnp.tanh(s) * (1.0 - jnp.tanh(h) * jnp.tanh(h + s))


def _sigmoid(h: Array, s: Array) -> Array:
    """Returns (1 - e^-|s|) sigmoid(higher) sigmoid(-lower), up from the lower of the two."""
    low, high = jnp.minimum(h, h + s), jnp.maximum(h, h + s)
    return -jnp.sign(s) * jnp.expm1(-jnp.abs(s)) * nn.sigmoid(high) * nn.sigmoid(-low)


def _softplus(h: Array, s: Array) -> Array:
    """Returns log(1 + (e^|s| - 1) sigmoid(lower)), up from the lower of the two."""
    low, high, size = jnp.minimum(h, h + s), jnp.maximum(h, h + s), jnp.abs(s)
    near = jnp.log1p(jnp.expm1(jnp.minimum(size, _FAR)) * nn.sigmoid(low))
    return jnp.sign(s) * jnp.where(size < _FAR, near, nn.softplus(high) - nn.softplus(low))


def _sin(h: Array, s: Array) -> Array:
    return 2.0 * jnp.sin(0.5 * s) * jnp.cos(h + 0.5 * s)


def _erf_near(h: Array, s: Array) -> tuple[Array, Array]:
    r"""Returns where s is small, and increments of erf there by a Taylor series.

    With c = s/2 and physicists' Hermite polynomials it is
    (4/sqrt(pi)) e^{-m^2} c sum_k H_{2k}(m) c^{2k}/(2k + 1)!.
    """
    near = jnp.abs(s) < _ERF_NEAR
    half = 0.5 * jnp.where(near, s, 0.0)
    square = jnp.minimum((h + half) ** 2, 900.0)  # whose exponential is zero
    total = jnp.zeros_like(half)
    for coefficients in _ERF_SERIES:
        term = jnp.zeros_like(half)
        for coefficient in coefficients:
            term = term * square + coefficient
        total = total * half**2 + term
    return near, 4.0 / math.sqrt(math.pi) * jnp.exp(-square) * half * total


def _erf(h: Array, s: Array) -> Array:
    near, series = _erf_near(h, s)
    if h.dtype == jnp.float32:
        erf = jax.scipy.special.erf
        far = erf(h + s) - erf(h)
    else:  # four times as fast as erf, which is twice as fast in float32
        erfc = jax.scipy.special.erfc
        far = erfc(h) - erfc(h + s)
    return jnp.where(near, series, far)


def _gelu(h: Array, s: Array) -> Array:
    """Returns the sum of s P(h + s) and h (P(h + s) - P(h)), P the normal distribution function."""
    root = math.sqrt(0.5)
    before, after = (0.5 * jax.scipy.special.erfc(-x * root) for x in (h, h + s))
    near, series = _erf_near(root * h, root * s)
    return s * after + h * jnp.where(near, 0.5 * series, after - before)


_INCREMENTS: dict[str, Increment] = {
    "relu": _relu,
    "erf": _erf,
    "tanh": _tanh,
    "gelu": _gelu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "sin": _sin,
    "linear": lambda h, s: s,
    "quadratic": lambda h, s: s * (2.0 * h + s),
    "abs": lambda h, s: _relu(h, s) + _relu(-h, -s),
    "relu_squared": lambda h, s: _relu(h, s) * (nn.relu(h + s) + nn.relu(h)),
}


def _integral(function: Elementwise, h: Array, s: Array) -> Array:
    """Returns s times the mean derivative on the way, where it is short and has no kink."""
    near = jnp.abs(s) < _NEAR
    step = jnp.where(near, s, 0.0)
    mean = sum(w * slope(function, h + t * step) for t, w in _RULE)
    before, after = function(h), function(h + s)
    size = jnp.abs(before) + jnp.abs(after) + jnp.abs(h * mean)
    allowed = 16.0 * float(jnp.finfo(h.dtype).eps) * size
    smooth = near & (jnp.abs(step * mean - (after - before)) <= allowed)
    return jnp.where(smooth, step * mean, after - before)


def _increment(activation: str, h: Float[Array, "*n"], s: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns sigma(h + s) - sigma(h), to rounding of s however small it is.

    The error is some roundings of s, times the size of slopes, whatever h is, and some of sigma
    where s is not small: where |s| >= 1/16 for erf and gelu. An activation of a user is
    integrated where |s| < 1/2; where that and the plain difference differ by more than rounding
    there is a kink on the way, and the difference is taken. Derivatives are exact, sigma'(h + s)
    with respect to s.

    Args:
      activation: a key of :data:`ACTIVATIONS`.
      h: preactivations.
      s: what is added to them.
    """
    closed_form = _INCREMENTS.get(activation)
    return closed_form(h, s) if closed_form else _integral(ACTIVATIONS[activation], h, s)


increment: jax.custom_jvp[Array] = jax.custom_jvp(_increment, nondiff_argnums=(0,))


def _increment_jvp(activation: str, primals: tuple, tangents: tuple) -> tuple[Array, Any]:
    h, s = primals
    dh, ds = (None if is_zero(t) else t for t in tangents)
    value, after = increment(activation, h, s), slope(ACTIVATIONS[activation], h + s)
    change = jnp.zeros_like(value)
    if ds is not None:
        change = change + after * ds
    if dh is not None:
        change = change + (after - slope(ACTIVATIONS[activation], h)) * dh
    return value, change


def is_zero(tangent: Any) -> bool:
    """Returns whether nothing is differentiated along ``tangent``."""
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


increment.defjvp(_increment_jvp, symbolic_zeros=True)


def moved_sum(
    by: Float[Array, "n N"],
    before: Float[Array, "n N"],
    u: Float[Array, "N"],
    du: Float[Array, "N"],
) -> Float[Array, "n"]:
    """Returns the change of sum_i u_i sigma_i: sum_i [(u_i + du_i) D_i + du_i sigma_i].

    Args:
      by: increments D of activations.
      before: activations sigma before.
      u: (N,) output weights before.
      du: (N,) what is added to them.
    """
    terms = by * (u + du) + before * du  # one matrix, gone over once
    return terms @ jnp.ones_like(u)
