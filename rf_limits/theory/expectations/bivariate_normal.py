r"""Probabilities of two correlated standard normal variables.

The lower-left orthant probability is expressed through Owen's T function,

.. math:: T(h, a) = \frac1{2\pi}\int_0^a \frac{e^{-h^2(1+x^2)/2}}{1+x^2}\,dx ,

which Gauss-Legendre quadrature on [0, min(a, 1)] gives to rounding error.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from rf_limits.theory.expectations.angles import Angles

# For 0 <= a <= 1 the integrand is entire in a disc around [0, a] up to the poles at +-i and
# varies on the scale 1/h, while exp(-h^2/2) makes T vanish in float64 beyond h = 8.6: 32
# nodes leave an error below 1e-16 (tests compare with mpmath over the whole range).
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
PARALLEL = 3e-11
"""Sine of angles that may be 0: equal vectors may come out this far apart."""


def normal_density(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the density of N(0, 1)."""
    return jnp.exp(-0.5 * x**2) / jnp.sqrt(2.0 * jnp.pi)


def joint_density(angles: Angles, alpha: Array, beta: Array) -> Array:
    """Returns sin(theta) times the density of (<w^, x>, <v^, x>) at (alpha, beta)."""
    # (alpha^2 + beta^2 - 2 c alpha beta)/sin^2 in the form that does not cancel near +-1.
    sine = jnp.maximum(angles.sine, jnp.finfo(angles.sine.dtype).tiny)
    near = jnp.where(angles.cosine >= 0.0, 1.0, -1.0)
    distance = jnp.clip((alpha - near * beta) / sine, -1e150, 1e150)
    exponent = distance**2 + near * 2.0 * alpha * beta / (1.0 + jnp.abs(angles.cosine))
    return jnp.exp(-0.5 * exponent) / (2.0 * jnp.pi)


def _owens_t_inside(h: Array, a: Array) -> Array:
    """Returns T(h, a) for |a| <= 1."""
    x = 0.5 * a[..., None] * (jnp.asarray(_NODES) + 1.0)
    integrand = jnp.exp(-0.5 * h[..., None] ** 2 * (1.0 + x**2)) / (1.0 + x**2)
    return 0.5 * a * jnp.sum(jnp.asarray(_WEIGHTS) * integrand, axis=-1) / (2.0 * jnp.pi)


def owens_t(h: Float[Array, "*shape"], r: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns Owen's T as a function of h and r = a h, so that a may be infinite.

    Args:
      h: first argument of T.
      r: a times h, where a is the second argument of T. h = r = 0 stands for a = 0.

    Returns:
      T(h, r/h), absolute error below 1e-15. Source: Owen (1956), Ann. Math. Statist. 27;
      |a| > 1 is reduced to |a| < 1 by his equation for T(h, a) + T(ah, 1/a).
    """
    sign = jnp.where((h < 0) ^ (r < 0), -1.0, 1.0)  # T is even in h and odd in a
    h, r = jnp.abs(h), jnp.abs(r)
    large, small = jnp.maximum(h, r), jnp.minimum(h, r)
    a = small / jnp.where(large == 0.0, 1.0, large)
    inside = _owens_t_inside(jnp.where(r <= h, h, r), a)
    reflected = 0.5 * (ndtr(-h) + ndtr(-r)) - ndtr(-h) * ndtr(-r) - inside
    return sign * jnp.where(r <= h, inside, reflected)


@jax.custom_jvp
def orthant_probability(
    h: Float[Array, "*shape"], k: Float[Array, "*shape"], angles: Angles
) -> Float[Array, "*shape"]:
    """Returns P(z1 < h, z2 < k) for standard normal z1, z2 with correlation cos theta.

    Args:
      h: bounds on z1.
      k: bounds on z2.
      angles: theta, in the form that keeps its digits where |cos theta| is near 1.

    Returns:
      Probabilities, absolute error below 1e-14. By symmetry this is also
      P(z1 > -h, z2 > -k). Source: Owen (1956), equation (2.1).
    """
    opposite = (h * k < 0.0) | ((h * k == 0.0) & (h + k < 0.0))
    general = (
        0.5 * (ndtr(h) + ndtr(k))
        - owens_t(h, angles.conditional(h, k))
        - owens_t(k, angles.conditional(k, h))
        - jnp.where(opposite, 0.5, 0.0)
    )
    at_zero = (jnp.pi - angles.theta) / (2.0 * jnp.pi)
    return jnp.clip(jnp.where((h == 0.0) & (k == 0.0), at_zero, general), 0.0, 1.0)


@orthant_probability.defjvp
def _orthant_probability_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Returns the densities of the edges and of the corner: right where h = k = 0 as well.

    At parallel directions the probability has a kink in the angle; there the corner counts 0.
    """
    (h, k, angles), (dh, dk, turned) = primals, tangents
    parallel = angles.sine < PARALLEL
    sine = jnp.where(parallel, 1.0, angles.sine)
    corner = jnp.where(parallel, 0.0, joint_density(angles, h, k) / sine)
    change = normal_density(h) * ndtr(angles.conditional(h, k)) * dh
    change += normal_density(k) * ndtr(angles.conditional(k, h)) * dk
    return orthant_probability(*primals), change + corner * turned.cosine


def orthant_covariance(
    h: Float[Array, "*shape"],
    k: Float[Array, "*shape"],
    angles: Angles,
    correlation: Float[Array, "*shape"],
) -> Float[Array, "*shape"]:
    """Returns P(z1 < h, z2 < k) - Phi(h) Phi(k), to relative accuracy for small correlations.

    Args:
      h: bounds on z1.
      k: bounds on z2.
      angles: theta.
      correlation: cos theta again, relatively accurate where it is small.

    Returns:
      Covariances, absolute error below 1e-14 max(|correlation|, 1e-2). Below a correlation of
      0.9 the integral of the joint density over the correlation (Plackett 1954), in the form
      of Drezner and Wesolowsky (1990), by Gauss-Legendre quadrature.
    """
    moderate = jnp.abs(correlation) < 0.9
    top = jnp.arcsin(jnp.where(moderate, correlation, 0.0))
    sine = jnp.sin(0.5 * top[..., None] * (jnp.asarray(_NODES) + 1.0))
    distance = (h**2 + k**2)[..., None] - 2.0 * (h * k)[..., None] * sine
    integrand = jnp.exp(-0.5 * distance / (1.0 - sine**2))
    integral = 0.5 * top * jnp.sum(jnp.asarray(_WEIGHTS) * integrand, axis=-1) / (2.0 * jnp.pi)
    difference = orthant_probability(h, k, angles) - ndtr(h) * ndtr(k)
    return jnp.where(moderate, integral, difference)
