r"""Second moments of kernel predictors f(x) = sum_i c_i k(x, x_i), nothing sampled.

For a kernel |x||x'| h(cos theta) with h = sum_k gamma_k B(d, k) P_k, the section k(., x_i) is
zonal around x_i, so under Gaussian inputs (and on the sphere of radius sqrt(d))

.. math:: E\,k(x,x_i)k(x,x_j) = d|x_i||x_j| \sum_k \gamma_k^2 B(d,k) P_k(\cos\theta_{ij}),

and likewise E k(x, x_i) f*(x) for any target known by degree. The series are cut where what is
left is provably small: by Cauchy-Schwarz and |P_k| <= 1 the rest beyond K is at most

.. math:: d|x_i||x_j|\,\tau_K^2, \quad \tau_K^2 = \gamma_{>K} \sum_{k>K}\gamma_kB(d,k), \qquad
    \sqrt d\,|x_i|\,\tau_K\,\Big(\sum_{k>K}E f_k^{*2}\Big)^{1/2},

gamma_{>K} the largest eigenvalue beyond K.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.theory.expectations.angles import unit_vectors
from rf_limits.theory.spectra.harmonics import gegenbauer_step, log_multiplicity
from rf_limits.theory.spectra.spectrum import ZonalSpectrum
from rf_limits.theory.spectra.zonal import ByDegree, Radii, ZonalSum, radial_rule

ACCURACY = 1e-13
"""Relative to E k(x, x_i)^2 and E f*^2, of the series, where MAX_DEGREE allows it."""

MAX_DEGREE = 1024
"""Degrees summed at most."""


TILE_ROWS = 64
"""Rows and columns of the tiles of Gram matrices: 32 KiB a tile, which stays in cache."""

_UNROLLED = 4  # steps of the recurrence in one pass over memory


class KernelPredictor(NamedTuple):
    """f(x) = sum_i coefficients_i |x||x_i| sum_k eigenvalues_k B(d, k) P_k(cos theta_i).

    Attributes:
      points: (n, d) the x_i.
      coefficients: (n,) the c_i.
      eigenvalues: (K + 1,) gamma_k of h, zero for odd k >= 3.
    """

    points: Float[Array, "n d"]
    coefficients: Float[Array, "n"]
    eigenvalues: Float[Array, "K"] | Float[np.ndarray, "K"]

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.points.shape[1]

    @property
    def is_homogeneous(self) -> bool:
        """Always."""
        return True

    @property
    def odd_degrees(self) -> bool:
        """Never: the kernels of ReLU networks without bias have none."""
        return False

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the predictor by degree, for ``max_degree`` <= K."""
        k = np.arange(max_degree + 1)
        roots = np.exp(0.5 * log_multiplicity(self.dim, k))
        units, norms = unit_vectors(self.points)
        share = jnp.asarray(self.eigenvalues)[: max_degree + 1] * roots
        sizes = self.coefficients * norms
        return ZonalSum(units, sizes[:, None, None] * share[:, None] * jnp.asarray(radii.nodes))


class KernelSeries(NamedTuple):
    """What the moments of one kernel against one target need; numbers, not traced.

    Attributes:
      eigenvalues: (K + 1,) gamma_k.
      squares: (K + 1,) d gamma_k^2 B(d, k).
      products: (K + 1, m) sqrt(B(d, k)) gamma_k E r e*_jk(r) of the target's m directions.
      directions: (m, d) those directions.
      rest: bound on what the cut leaves out of E k(x, x_i) k(x, x_j), relative to the root of
        E k(x, x_i)^2 E k(x, x_j)^2.
      cross_rest: the same of E k(x, x_i) f*(x), relative to the root of E k(x, x_i)^2 E f*^2.
    """

    eigenvalues: np.ndarray
    squares: np.ndarray
    products: np.ndarray
    directions: np.ndarray
    rest: float
    cross_rest: float


class KernelMoments(NamedTuple):
    """Second moments of the sections k(., x_i).

    Attributes:
      gram: (n, n) E k(x, x_i) k(x, x_j).
      cross: (n,) E k(x, x_i) f*(x).
    """

    gram: Float[Array, "n n"]
    cross: Float[Array, "n"]

    def risk(
        self, coefficients: Float[Array, "n"], second_moment: float | Float[Array, ""]
    ) -> Float[Array, ""]:
        """Returns E (sum_i c_i k(x, x_i) - f*)^2, a difference of numbers of the size of E f*^2."""
        quadratic = coefficients @ self.gram @ coefficients
        return quadratic - 2.0 * (coefficients @ self.cross) + second_moment


def kernel_series(
    spectrum: ZonalSpectrum,
    target: ByDegree,
    target_tails: Float[np.ndarray, "K"],
    second_moment: float,
    inputs: str = "gaussian",
) -> KernelSeries:
    """Returns the degrees needed for exact moments of a kernel against a target.

    Args:
      spectrum: of h, up to the largest degree that may be used.
      target: f*.
      target_tails: (K + 1,) bounds on the root of sum_{j > k} E f*_j^2.
      second_moment: E f*^2.
      inputs: distribution of x, ``"gaussian"`` or ``"sphere"``, of radius sqrt(d).

    Returns:
      :class:`KernelSeries` with the least number of degrees for which both relative bounds are
      below :data:`ACCURACY`, or with all of them: ``rest`` and ``cross_rest`` say what was
      reached.
    """
    dim, gamma = spectrum.dim, spectrum.eigenvalues
    roots = np.exp(0.5 * spectrum.log_multiplicities)
    weights = (gamma * roots) ** 2
    total = math.fsum(weights)
    # gamma decreases over the degrees that do not vanish; beyond K it is at most the last one
    later = np.append(np.maximum.accumulate(gamma[::-1])[::-1][1:], gamma[gamma > 0.0][-1])
    beyond = spectrum.tail + np.cumsum(spectrum.weights[::-1])[::-1] - spectrum.weights
    rest = later * np.maximum(beyond, 0.0) / total
    cross_rest = np.sqrt(rest / second_moment) * target_tails
    enough = np.flatnonzero(np.maximum(rest, cross_rest) <= ACCURACY)
    size = int(enough[0]) if enough.size else spectrum.max_degree
    radii = radial_rule(dim, target.is_homogeneous, inputs)

    def by_degree() -> ZonalSum:
        return target.zonal_sum(size, radii)

    zonal = jax.jit(by_degree)() if target.is_homogeneous else by_degree()
    moments = np.asarray(zonal.values) @ (radii.weights * radii.nodes)
    kept = slice(0, size + 1)
    return KernelSeries(
        gamma[kept],
        dim * weights[kept],
        (roots * gamma)[kept, None] * moments.T,
        np.asarray(zonal.directions),
        float(rest[size]),
        float(cross_rest[size]),
    )


def zonal_series(
    weights: Float[np.ndarray, "K ..."] | Float[Array, "K ..."], dim: int, t: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Returns sum_k weights_k P_k(t), elementwise, by the three-term recurrence.

    Args:
      weights: (K + 1, ...) coefficients; the other axes broadcast against ``t``.
      dim: dimension d >= 2 of the polynomials.
      t: points in [-1, 1].

    Returns:
      Shape of ``t``.
    """

    def step(state: tuple, term: tuple) -> tuple[tuple, None]:
        (now, before, total), (k, weight) = state, term
        after = gegenbauer_step(dim, k, t, now, before)
        return (after, now, total + weight * now), None

    degrees = jnp.arange(weights.shape[0], dtype=t.dtype)
    start = (jnp.ones_like(t), jnp.zeros_like(t), jnp.zeros_like(t))
    terms = (degrees, jnp.asarray(weights))
    (_, _, total), _ = jax.lax.scan(step, start, terms, unroll=_UNROLLED)
    return total


def zonal_gram(
    weights: Float[np.ndarray, "K"], units: Float[Array, "n d"], *, rows: int = TILE_ROWS
) -> Float[Array, "n n"]:
    """Returns sum_k weights_k P_k(<u_i, u_j>) for all pairs of rows of ``units``.

    Args:
      weights: (K + 1,) coefficients.
      units: (n, d) unit vectors.
      rows: of the square tiles that are computed one after the other, each with its mirror
        image.
    """
    num, dim = units.shape
    count = -(-num // rows)
    rows = -(-num // count)
    padded = jnp.pad(units, ((0, count * rows - num), (0, 0)))
    tiles = padded.reshape(count, rows, dim)

    def step(gram: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        i, j = pair
        tile = zonal_series(weights, dim, tiles[i] @ tiles[j].T)
        gram = jax.lax.dynamic_update_slice(gram, tile.T, (j * rows, i * rows))
        return jax.lax.dynamic_update_slice(gram, tile, (i * rows, j * rows)), None

    rows_of, columns_of = np.triu_indices(count)
    pairs = (jnp.asarray(rows_of), jnp.asarray(columns_of))
    gram, _ = jax.lax.scan(step, jnp.zeros((count * rows,) * 2, units.dtype), pairs)
    return gram[:num, :num]


def kernel_moments(series: KernelSeries, points: Float[Array, "n d"]) -> KernelMoments:
    """Returns the exact second moments of the sections of a kernel at ``points``.

    Args:
      series: from :func:`kernel_series`.
      points: (n, d) the x_i.

    Returns:
      :class:`KernelMoments` under the inputs of ``series``, at a cost of O(n^2 (d + K)). Errors:
      ``series.rest`` and rounding.
    """
    dim = points.shape[1]
    units, norms = unit_vectors(points)
    gram = zonal_gram(series.squares, units)
    cosines = units @ jnp.asarray(series.directions).T
    cross = jnp.sum(zonal_series(series.products, dim, cosines), axis=1)
    return KernelMoments(norms[:, None] * norms * gram, norms * cross)
