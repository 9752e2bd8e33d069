r"""Functions degree by degree: sums of functions that depend on one direction of x and on |x|.

Any sum of functions of <w_i, x> and |x| is, with r = |x| and x^ = x/r,

.. math:: f(x) = \sum_k f_k(x), \qquad f_k(x) = \sqrt{B(d,k)} \sum_i e_{ik}(r) P_k(\langle u_i,
    \hat x\rangle), \qquad e_{ik}(r) = \sqrt{B(d,k)}\, E_t[\sigma_i(r, t) P_k(t)],

with t the first coordinate of a uniform point of the sphere (Funk-Hecke; Atkinson and Han
2012, section 2.5), and since E P_k(<u, x^>) P_k(<v, x^>) = P_k(<u, v>)/B(d, k),

.. math:: E f_k g_k = \sum_{ij} P_k(\langle u_i, v_j\rangle)\, E_r\, e_{ik}(r) e'_{jk}(r).

Gradient features are derivatives of neurons in their weights and bias, so each row may also
carry a derivative of P_k(<u, x^>) along a tangent s of the sphere at u.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.blocks import BLOCK_ENTRIES, sum_over_blocks
from rf_limits.theory.harmonics import check_dim, gegenbauer_step
from rf_limits.theory.tails import panels

_REACH = 8.5  # |x| is this far from sqrt(d) with probability below 1e-30
_SMALL_DIM = 8  # up to which kinks lie where |x| does, and cost accuracy


class Radii(NamedTuple):
    """A rule for expectations over r = |x|; numbers, not traced.

    Attributes:
      nodes: (R,) radii.
      weights: (R,) positive weights.
    """

    nodes: np.ndarray
    weights: np.ndarray


class ZonalSum(NamedTuple):
    """A function by degree, as in the module docstring, at the radii of a rule.

    f_k(x) = sqrt(B(d, k)) sum_i values_ik(r) P_k(<u_i, x^>) + slopes_ik(r) P_k'(<u_i, x^>)
    <s_i, x^>.

    Attributes:
      directions: (m, d) unit vectors u_i.
      values: (m, K + 1, R) coefficients e_ik(r).
      slopes: (m, K + 1, R) coefficients of the derivative along ``tangents``, or None.
      tangents: (m, d) vectors s_i orthogonal to u_i, or None.
    """

    directions: Float[Array, "m d"]
    values: Float[Array, "m K R"]
    slopes: Float[Array, "m K R"] | None = None
    tangents: Float[Array, "m d"] | None = None

    def negative(self) -> "ZonalSum":
        """The function with the opposite sign."""
        slopes = None if self.slopes is None else -self.slopes
        return self._replace(values=-self.values, slopes=slopes)


class ByDegree(Protocol):
    """What is asked of a function to know it degree by degree."""

    @property
    def dim(self) -> int:
        """Input dimension d."""

    @property
    def is_homogeneous(self) -> bool:
        """Whether f(r x) = r f(x) for r > 0: then one radius says everything."""

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """The function up to degree ``max_degree`` at ``radii``."""


def radial_rule(dim: int, homogeneous: bool) -> Radii:
    """A rule for E g(|x|), x ~ N(0, I_d).

    Args:
      dim: dimension d >= 2.
      homogeneous: whether all functions are homogeneous of degree one. Products then go
        like r^2, for which the single radius sqrt(d) is exact (and the same on the sphere of
        that radius).

    Returns:
      :class:`Radii`: Gauss-Legendre panels of 20 nodes over sqrt(d) +- 8.5. Smooth functions
      are integrated to rounding error. The coefficients of a biased neuron have a kink
      (r - r_0)^((d+1)/2) where |w| r_0 = |b|; the error it leaves falls with the dimension
      (docs/theory.md, "Degree by degree").
    """
    check_dim(dim)
    root = math.sqrt(dim)
    if homogeneous:
        return Radii(np.array([root]), np.ones(1))
    low = max(root - _REACH, 0.0)
    count = 24 if dim <= _SMALL_DIM else 4
    nodes, weights = panels(np.linspace(low, root + _REACH, count + 1))
    return Radii(nodes, weights * np.exp(log_radius_density(dim, nodes)))


def log_radius_density(dim: int, r: np.ndarray) -> np.ndarray:
    """Log density of |x|, x ~ N(0, I_d), at the radii ``r`` > 0."""
    constant = (1.0 - 0.5 * dim) * math.log(2.0) - math.lgamma(0.5 * dim)
    return constant + (dim - 1.0) * np.log(r) - 0.5 * r * r


def polynomials(dim: int, max_degree: int, t: Array) -> Iterator[Array]:
    """P_0(t), ..., P_K(t) with P_k(1) = 1, one after the other, elementwise on ``t``."""
    now, before = jnp.ones_like(t), jnp.zeros_like(t)
    for k in range(max_degree + 1):
        yield now
        now, before = gegenbauer_step(dim, k, t, now, before), now


def _derivatives(dim: int, max_degree: int, order: int, t: Array) -> list[Array]:
    """The ``order``-th derivatives of P_0 ... P_K, by P_k' = k (k + d - 2)/(d - 1) P_{k-1}^{d+2}."""
    if order == 0:
        return list(polynomials(dim, max_degree, t))
    below = [jnp.zeros_like(t), *_derivatives(dim + 2, max_degree - 1, order - 1, t)]
    return [(k * (k + dim - 2) / (dim - 1)) * p for k, p in enumerate(below[: max_degree + 1])]


def _over_radii(left: Array, right: Array) -> Array:
    """(m, R) and (k, R) coefficients contracted over radii, (m, k)."""
    if left.shape[1] == 1:  # an outer product, which can be fused with what follows
        return left * right[:, 0]
    return left @ right.T


def zonal_products(
    f: ZonalSum, g: ZonalSum, radii: Radii, *, block_entries: int = BLOCK_ENTRIES
) -> Float[Array, "K"]:
    """E f_k g_k for every degree held.

    Args:
      f: m rows.
      g: k rows, of the same dimension, degrees and radii.
      radii: the rule both were made for.
      block_entries: pairs held at a time, as in :func:`rf_limits.theory.relu_sum_product`.

    Returns:
      (K + 1,) expectations, at a cost of O(m k (d + K R)).
    """
    dim, size = f.directions.shape[1], f.values.shape[1]
    weights = jnp.asarray(radii.weights)

    def block(f: ZonalSum, g: ZonalSum) -> Array:
        t = f.directions @ g.directions.T
        order = (f.slopes is not None) + (g.slopes is not None)
        p = [_derivatives(dim, size - 1, j, t) for j in range(order + 1)]
        left = None if f.slopes is None else f.tangents @ g.directions.T
        right = None if g.slopes is None else f.directions @ g.tangents.T
        both = None if left is None or right is None else f.tangents @ g.tangents.T
        found = []
        for k in range(size):
            rest = _over_radii(f.values[:, k] * weights, g.values[:, k]) * p[0][k]
            if left is not None:
                part = _over_radii(f.slopes[:, k] * weights, g.values[:, k])
                rest = rest + part * left * p[1][k]
            if right is not None:
                part = _over_radii(f.values[:, k] * weights, g.slopes[:, k])
                rest = rest + part * right * p[1][k]
            if both is not None:
                part = _over_radii(f.slopes[:, k] * weights, g.slopes[:, k])
                rest = rest + part * (both * p[1][k] + left * right * p[2][k])
            found.append(jnp.sum(rest))
        return jnp.stack(found)

    return sum_over_blocks(block, f, g, block_entries=block_entries)
