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
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rf_limits.errors import check_choice
from rf_limits.theory.numerics.arguments import Dimension, border
from rf_limits.theory.numerics.blocks import sum_over_blocks
from rf_limits.theory.numerics.tails import panels
from rf_limits.theory.spectra.harmonics import polynomials
from rf_limits.types import Scalar

INPUTS = ("gaussian", "sphere")
"""N(0, I_d), and uniform on the sphere of radius sqrt(d)."""

_REACH = 8.5  # |x| is this far from sqrt(d) with probability below 1e-30


class Radii(NamedTuple):
    """A rule for expectations over r = |x|; numbers, not traced.

    Attributes:
      nodes: (R,) radii.
      weights: (R,) positive weights.
    """

    nodes: np.ndarray
    weights: np.ndarray


class Tangents(NamedTuple):
    """Derivatives along tangents of the sphere: slopes_ik(r) P_k'(<u_i, x^>) <s_i, x^>.

    Attributes:
      slopes: (m, K + 1, R) coefficients.
      vectors: (m, d) vectors s_i orthogonal to u_i.
    """

    slopes: Float[Array, "m K R"]
    vectors: Float[Array, "m d"]


class ZonalSum(NamedTuple):
    """A function by degree, as in the module docstring, at the radii of a rule.

    f_k(x) = sqrt(B(d, k)) sum_i values_ik(r) P_k(<u_i, x^>), and a derivative of each.

    Attributes:
      directions: (m, d) unit vectors u_i.
      values: (m, K + 1, R) coefficients e_ik(r).
      tangents: the derivatives, or None.
    """

    directions: Float[Array, "m d"]
    values: Float[Array, "m K R"]
    tangents: Tangents | None = None

    def negative(self) -> "ZonalSum":
        """Returns the function with the opposite sign."""
        tangents = self.tangents
        if tangents is not None:
            tangents = tangents._replace(slopes=-tangents.slopes)
        return self._replace(values=-self.values, tangents=tangents)


@runtime_checkable
class ByDegree(Protocol):
    """What is asked of a function to know it degree by degree."""

    @property
    def dim(self) -> int:
        """Input dimension d."""

    @property
    def is_homogeneous(self) -> bool:
        """Whether f(r x) = r f(x) for r > 0: then one radius says everything."""

    @property
    def odd_degrees(self) -> bool:
        """Whether odd degrees k >= 3 may be present."""

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the function up to degree ``max_degree`` at ``radii``."""


@border
def radial_rule(dim: Dimension, homogeneous: bool, inputs: str = "gaussian") -> Radii:
    """Returns a rule for E g(|x|), x ~ N(0, I_d) or on the sphere of radius sqrt(d).

    Args:
      dim: dimension d >= 2.
      homogeneous: whether all functions are homogeneous of degree one. Products then go
        like r^2, for which the single radius sqrt(d) is exact.
      inputs: ``"gaussian"``, or ``"sphere"``, which has that radius alone.

    Returns:
      :class:`Radii`: Gauss-Legendre panels of 20 nodes over sqrt(d) +- 8.5. Smooth functions
      are integrated to rounding error. The coefficients of a biased neuron have a kink
      (r - r_0)^((d+1)/2) where |w| r_0 = |b|; the error it leaves falls with the dimension
      (docs/theory.md, "Degree by degree").

    Raises:
      RequirementError: d < 2, or unknown ``inputs``.
    """
    check_choice(inputs, INPUTS, "inputs")
    root = math.sqrt(dim)
    if homogeneous or inputs == "sphere":
        return Radii(np.array([root]), np.ones(1))
    low = max(root - _REACH, 0.0)
    count = min(24, max(4, -(-120 // dim)))
    nodes, weights = panels(np.linspace(low, root + _REACH, count + 1))
    return Radii(nodes, weights * np.exp(log_radius_density(dim, nodes)))


def log_radius_density(dim: int, r: np.ndarray) -> np.ndarray:
    """Returns the log density of |x|, x ~ N(0, I_d), at the radii ``r`` > 0."""
    constant = (1.0 - 0.5 * dim) * math.log(2.0) - math.lgamma(0.5 * dim)
    return constant + (dim - 1.0) * np.log(r) - 0.5 * r * r


def _derivatives(dim: int, max_degree: int, order: int, t: Array) -> list[Array]:
    """Returns the ``order``-th derivatives of P_0 ... P_K, elementwise on ``t``.

    P_k' = k (k + d - 2)/(d - 1) times the polynomial of degree k - 1 in dimension d + 2.
    """
    if order == 0:
        return list(polynomials(dim, max_degree, t))
    below = [jnp.zeros_like(t), *_derivatives(dim + 2, max_degree - 1, order - 1, t)]
    return [p * (k * (k + dim - 2) / (dim - 1)) for k, p in enumerate(below[: max_degree + 1])]


def joined(sums: Sequence[ZonalSum]) -> ZonalSum:
    """Returns the sum of several functions: their rows, one below the other."""
    if len(sums) == 1:
        return sums[0]

    def with_tangents(f: ZonalSum) -> ZonalSum:
        tangents = f.tangents or Tangents(jnp.zeros_like(f.values), jnp.zeros_like(f.directions))
        return f._replace(tangents=tangents)

    if any(part.tangents is not None for part in sums):
        sums = [with_tangents(part) for part in sums]
    return jax.tree.map(lambda *rows: jnp.concatenate(rows), *sums)


def _low_degrees(f: ZonalSum, max_degree: int, radius: Scalar | Int[Array, ""]) -> list[Array]:
    """Returns the harmonics of degree 0, 1 and 2 at one radius: a number, a vector, a matrix.

    The dot product of two of them is sum_ij e_ik e_jk P_k(<u_i, u_j>), and its derivatives.
    """
    dim = f.directions.shape[1]
    u, values = f.directions, f.values[:, :, radius]
    found = [jnp.sum(values[:, 0])]
    if max_degree >= 1:
        found.append(values[:, 1] @ u)
    if max_degree >= 2:  # P_2(c) = (d c^2 - 1)/(d - 1)
        second = (u * values[:, 2, None]).T @ u - jnp.sum(values[:, 2]) / dim * jnp.eye(dim)
        found.append(math.sqrt(dim / (dim - 1.0)) * second)
    if f.tangents is None or max_degree == 0:
        return found
    s, slopes = f.tangents.vectors, f.tangents.slopes[:, :, radius]
    found[1] += slopes[:, 1] @ s
    if max_degree >= 2:
        mixed = math.sqrt(dim / (dim - 1.0)) * (u * slopes[:, 2, None]).T @ s
        found[2] += mixed + mixed.T
    return found


def _low_products(f: ZonalSum, g: ZonalSum, radii: Radii, max_degree: int) -> Array:
    """Returns E f_k g_k for degrees 0 ... max_degree <= 2; no pairs are formed."""

    def one(radius: Scalar | Int[Array, ""]) -> Array:
        left = _low_degrees(f, max_degree, radius)
        right = left if f is g else _low_degrees(g, max_degree, radius)
        return jnp.stack([jnp.sum(a * b) for a, b in zip(left, right, strict=True)])

    if radii.nodes.size == 1:
        return radii.weights[0] * one(0)

    def step(total: Array, point: tuple[Array, Array]) -> tuple[Array, None]:
        return total + point[1] * one(point[0]), None

    points = (jnp.arange(radii.nodes.size), jnp.asarray(radii.weights))
    return jax.lax.scan(step, jnp.zeros(max_degree + 1), points)[0]


def _pair_products(
    f: ZonalSum, g: ZonalSum, radii: Radii, degrees: Sequence[int], block_entries: int | None
) -> Array:
    """Returns E f_k g_k for the ``degrees`` listed, by sums over all pairs of rows."""
    dim = f.directions.shape[1]
    weights = jnp.asarray(radii.weights)

    def block(f: ZonalSum, g: ZonalSum) -> Array:
        t = f.directions @ g.directions.T
        order = (f.tangents is not None) + (g.tangents is not None)
        p = [_derivatives(dim, degrees[-1], j, t) for j in range(order + 1)]
        terms: list[tuple[Array, Callable[[int], Array], Array]]
        terms = [(f.values, lambda k: p[0][k], g.values)]
        if f.tangents is not None:
            left = f.tangents.vectors @ g.directions.T
            terms.append((f.tangents.slopes, lambda k: p[1][k] * left, g.values))
        if g.tangents is not None:
            right = f.directions @ g.tangents.vectors.T
            terms.append((f.values, lambda k: p[1][k] * right, g.tangents.slopes))
        if f.tangents is not None and g.tangents is not None:
            both = f.tangents.vectors @ g.tangents.vectors.T

            def mixed(k: int) -> Array:
                return p[2][k] * (left * right) + p[1][k] * both

            terms.append((f.tangents.slopes, mixed, g.tangents.slopes))

        def product(k: int) -> Array:
            # (pairs) times (radii of g): pairs are never stored for every radius
            parts = [jnp.sum(a[:, k] * weights * (of(k) @ b[:, k])) for a, of, b in terms]
            return sum(parts[1:], parts[0])

        return jnp.stack([product(k) for k in degrees])

    return sum_over_blocks(block, f, g, block_entries=block_entries)


def zonal_products(
    f: ZonalSum,
    g: ZonalSum,
    radii: Radii,
    *,
    odd_degrees: bool = True,
    block_entries: int | None = None,
) -> Float[Array, "K"]:
    """Returns E f_k g_k for every degree held.

    Args:
      f: m rows.
      g: k rows, of the same dimension, degrees and radii.
      radii: the rule both were made for.
      odd_degrees: whether odd degrees k >= 3 are present on both sides; zero otherwise.
      block_entries: pairs held at a time; None: what suits the device.

    Returns:
      (K + 1,) expectations. Degrees 0 to 2 have few harmonics and are held explicitly, at a
      cost of O((m + k) d^2 R): for ``f is g`` they are sums of squares, in which nothing cancels
      beyond what cancels in f itself. Higher degrees cost O(m k (d + R)) each.
    """
    top = f.values.shape[1] - 1
    low = _low_products(f, g, radii, min(top, 2))
    degrees = [k for k in range(3, top + 1) if odd_degrees or k % 2 == 0]
    found = jnp.zeros(top + 1).at[: low.size].set(low)
    if not degrees:
        return found
    high = _pair_products(f, g, radii, degrees, block_entries)
    return found.at[jnp.asarray(degrees)].set(high)
