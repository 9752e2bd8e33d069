"""One coordinate of a uniform point of the unit sphere, and what integrates against it."""

import itertools
import math

import numpy as np
from scipy import integrate, special

from rf_limits.theory.numerics.arguments import Dimension, Finite, Nonnegative, border

_TOLERANCE = 1e-13
_NEAR = 1e-6  # of angles, whose difference leaves less than the tolerance


def coordinate_nodes(num: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the Gauss-Gegenbauer rule for the first coordinate of a uniform point of S^{d-1}.

    Args:
      num: number of nodes; polynomials up to degree 2 num - 1 are integrated exactly.
      dim: dimension d >= 2.

    Returns:
      (num,) nodes in (-1, 1) and (num,) weights that sum to one.
    """
    nodes, weights = special.roots_jacobi(num, 0.5 * (dim - 3), 0.5 * (dim - 3))
    return nodes, weights / weights.sum()


def expected_relu(mean: float, scale: float, dim: int) -> float:
    """Returns E relu(mean + scale t), t the first coordinate of a uniform point of S^{d-1}.

    Closed form through the regularized incomplete beta function; d >= 2, scale >= 0.
    """
    if scale == 0.0:
        return max(mean, 0.0)
    edge = -mean / scale
    if edge <= -1.0:
        return mean
    if edge >= 1.0:
        return 0.0
    half = 0.5 * (dim - 1)
    above = special.betainc(half, half, 0.5 * (1.0 - edge))
    log_constant = math.lgamma(0.5 * dim) - 0.5 * math.log(math.pi) - math.lgamma(half)
    first = math.exp(log_constant + half * math.log1p(-(edge**2))) / (dim - 1)
    return mean * above + scale * first


@border
def expected_relu_product(
    norm_w: Nonnegative,
    bias_w: Finite,
    norm_v: Nonnegative,
    bias_v: Finite,
    cosine: Finite,
    dim: Dimension,
) -> float:
    """Returns E relu(<w, x> + a) relu(<v, x> + b) for x uniform on the sphere of radius sqrt(d).

    The inner integral is :func:`expected_relu` on the sphere of one dimension less; the
    outer one is adaptive quadrature, split at the kinks, to 1e-12 of the neurons' largest values.
    d >= 3.
    """
    radius = math.sqrt(dim)
    size_w, size_v = max(norm_w * radius, abs(bias_w)), max(norm_v * radius, abs(bias_v))
    if size_w == 0.0 or size_v == 0.0:
        return 0.0
    # relu(s t) = s relu(t): the quadrature's absolute tolerance is one of sizes near 1
    norm_w, bias_w = norm_w / size_w, bias_w / size_w
    norm_v, bias_v = norm_v / size_v, bias_v / size_v
    sine = math.sqrt(max((1.0 - cosine) * (1.0 + cosine), 0.0))
    half = 0.5 * (dim - 3)
    log_constant = math.lgamma(0.5 * dim) - 0.5 * math.log(math.pi) - math.lgamma(0.5 * (dim - 1))

    def integrand(angle: float) -> float:
        # t = sin(angle): the density's endpoint behaviour becomes a power of a cosine.
        t, rest = math.sin(angle), math.cos(angle)
        first = max(norm_w * radius * t + bias_w, 0.0)
        second = expected_relu(
            norm_v * radius * cosine * t + bias_v, norm_v * radius * sine * rest, dim - 1
        )
        return first * second * math.exp(log_constant) * rest ** (2.0 * half + 1.0)

    kink, other = _edge(norm_w * radius, bias_w), _edge(norm_v * radius, bias_v)
    # the second neuron begins to be on, or is so everywhere, where sin(angle +- turn) is its edge
    turn = math.atan2(sine, cosine)
    edges = (sign * turn + angle for sign in (-1, 1) for angle in (other, math.pi - other))
    wrapped = (math.remainder(edge, 2.0 * math.pi) for edge in edges)
    ends = [kink]
    for edge in sorted(wrapped):  # those that coincide count once
        if ends[-1] + _NEAR < edge < 0.5 * math.pi - _NEAR:
            ends.append(edge)
    ends.append(0.5 * math.pi)
    return (
        size_w
        * size_v
        * math.fsum(
            integrate.quad(integrand, low, high, epsabs=_TOLERANCE, epsrel=_TOLERANCE, limit=200)[0]
            for low, high in itertools.pairwise(ends)
        )
    )


def _edge(scale: float, bias: float) -> float:
    """Returns the angle whose sine times ``scale`` is -bias, or the nearest that there is."""
    if abs(bias) >= scale:  # on everywhere, or nowhere
        return math.copysign(0.5 * math.pi, -bias)
    return math.asin(-bias / scale)
