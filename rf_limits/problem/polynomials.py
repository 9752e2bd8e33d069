r"""Polynomial targets of one degree, which random features can learn.

All are polynomials whose Hermite expansion has the single degree k. Such an f* is known by its
symbol, the form

.. math:: s(v) = E\, he_k(\langle v, x\rangle) f^*(x), \quad |v| = 1,

he_k the Hermite polynomial with E he_k(z)^2 = 1, because with any neuron
E sigma(<w, x>) f*(x) = c_k s(w/|w|), c_k the k-th Hermite coefficient of z -> sigma(|w| z).
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.problem.target import in_float64
from rf_limits.theory.expectations.bivariate_normal import normal_density
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.sphere import coordinate_nodes
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.theory.spectra.harmonics import (
    gegenbauer,
    log_gamma_ratio,
    log_multiplicity,
    multiplicity,
)
from rf_limits.theory.spectra.hermite import hermite_multiples, hermite_values
from rf_limits.theory.spectra.zonal import Radii, ZonalSum, polynomials, radial_rule, zonal_products
from rf_limits.types import as_tree

_BEYOND = 38.0  # the normal density is zero in float64 beyond


def hermite(degree: int, x: Array) -> Array:
    """Returns the normalized probabilists' Hermite polynomial: E he_k(z)^2 = 1 for z ~ N(0, 1)."""
    *_, value = hermite_multiples(degree, x, jnp.ones_like(x))
    return value


def _check_unit(vectors: Array, name: str, ndim: int) -> None:
    """Refuses vectors that are not of length 1, up to the rounding of single precision."""
    if isinstance(vectors, jax.core.Tracer):
        return
    lengths = np.linalg.norm(arguments.array(vectors, name, ndim), axis=-1)
    worst = float(np.max(np.abs(lengths - 1.0), initial=0.0))
    check(worst < 1e-5, name, "be of length 1 to 1e-5", worst)


def _check_size(degree: int, norm: float) -> None:
    arguments.whole(degree, "degree")
    arguments.positive(norm, "norm")


class _OneDegree:
    """The properties that follow from the symbol alone."""

    degree: int
    norm: float

    def symbol(self, v: Float[Array, "m d"]) -> Float[Array, "m"]:
        """Returns s(v) of the module docstring at unit vectors."""
        raise NotImplementedError

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        raise NotImplementedError

    @property
    def is_homogeneous(self) -> bool:
        """Returns False, for polynomials of degree one too."""
        return False

    @property
    def odd_degrees(self) -> bool:
        """Returns whether odd degrees k >= 3 are present: those of the polynomial's parity are."""
        return self.degree % 2 == 1

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Returns the norm for degrees below the polynomial's, and 0 from there on."""
        return self.norm * (np.arange(max_degree + 1) < self.degree)

    def neuron_products(self, w: Float[Array, "m d"], b: Float[Array, "m"]) -> Float[Array, "m"]:
        """Returns E relu(<w_i, x> + b_i) f*(x) for x ~ N(0, I_d).

        |w| coefficient_k(b/|w|) s(w/|w|), coefficient_k the k-th Hermite coefficient of
        t -> relu(t + beta): beta Phi(beta) + phi(beta), Phi(beta), He_{k-2}(-beta)
        phi(beta)/sqrt(k!).
        """
        square = jnp.sum(w * w, axis=1)
        length = jnp.sqrt(jnp.where(square > 0.0, square, 1e-300))
        beta = b / length
        if self.degree == 0:
            coefficient = beta * ndtr(beta) + normal_density(beta)
        elif self.degree == 1:
            coefficient = ndtr(beta)
        else:
            scale = math.sqrt(self.degree * (self.degree - 1))
            near = jnp.clip(beta, -_BEYOND, _BEYOND)
            coefficient = hermite(self.degree - 2, -near) * normal_density(near) / scale
        return length * coefficient * self.symbol(w / length[:, None])

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Returns the exact E f(x) f*(x), x ~ N(0, I_d); slopes are derivatives of neurons."""
        f = f.in_float64()
        check(f.dim == self.dim, "weights", f"have dimension {self.dim}, the target's", f.dim)
        biases = jnp.zeros_like(f.amplitudes) if f.biases is None else f.biases
        value = self.neuron_products(f.weights, biases) @ f.amplitudes
        if f.slopes is None and f.offsets is None:
            return value
        slopes = jnp.zeros_like(f.weights) if f.slopes is None else f.slopes
        offsets = jnp.zeros_like(biases) if f.offsets is None else f.offsets
        _, change = jax.jvp(self.neuron_products, (f.weights, biases), (slopes, offsets))
        return value + jnp.sum(change)


@dataclasses.dataclass(frozen=True, eq=False)
class Polynomial(_OneDegree):
    """f*(x) = sum_j coefficients_j he_k(<directions_j, x>), he_k of one degree k.

    Every polynomial of one Hermite degree is of this form (polarization); the symbol is
    sum_j coefficients_j <directions_j, v>^k.

    Attributes:
      directions: (m, d) unit vectors.
      coefficients: (m,) weights.
      degree: degree k >= 0.
      norm: root mean square under Gaussian inputs.
      words: the function in terms of z_1, z_2, ..., orthonormal coordinates of x.
    """

    directions: arguments.Numbers
    coefficients: arguments.Numbers
    degree: int
    norm: float
    words: str

    def __post_init__(self) -> None:
        in_float64(self, ("directions", "coefficients"))
        _check_unit(self.directions, "directions", 2)
        shape, received = self.directions.shape[:1], np.shape(self.coefficients)
        check(received == shape, "coefficients", f"have the shape {shape}", received)
        _check_size(self.degree, self.norm)

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.directions.shape[1]

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``, (n,)."""
        return hermite(self.degree, x @ self.directions.T) @ self.coefficients

    def symbol(self, v: Float[Array, "m d"]) -> Float[Array, "m"]:
        """Returns sum_j coefficients_j <directions_j, v>^k."""
        return (v @ self.directions.T) ** self.degree @ self.coefficients

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        return f"{self.words}, E f*^2 = {self.norm**2:g}, d = {self.dim}"

    def second_moment(self, inputs: str) -> float:
        """Returns the exact E f*(x)^2: norm^2, or the sum over harmonics on the sphere."""
        if inputs == "gaussian":
            return self.norm**2
        radii = radial_rule(self.dim, homogeneous=False, inputs="sphere")
        f = self.zonal_sum(self.degree, radii)
        return float(jnp.sum(zonal_products(f, f, radii)))

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the target by degree: sqrt(B(d, k)) E_t f* P_k(t), by Gauss' rule."""
        nodes, weights = coordinate_nodes((self.degree + max_degree) // 2 + 1, self.dim)
        values = hermite_values(self.degree, np.outer(radii.nodes, nodes))[-1]
        scale = np.exp(0.5 * log_multiplicity(self.dim, np.arange(max_degree + 1)))
        profiles = (scale[:, None] * gegenbauer(self.dim, max_degree, nodes) * weights) @ values.T
        above = np.arange(max_degree + 1) > self.degree  # orthogonal, to the last bit
        profiles[above] = 0.0
        return ZonalSum(self.directions, self.coefficients[:, None, None] * jnp.asarray(profiles))


@dataclasses.dataclass(frozen=True, eq=False)
class Gegenbauer(_OneDegree):
    """f*(x) = norm c |x|^k P_k(<direction, x>/|x|), with E f*^2 = norm^2 for x ~ N(0, I_d).

    The zonal harmonic polynomial: on every sphere it has the one degree k.

    Attributes:
      direction: (d,) unit vector, d >= 2.
      degree: degree k >= 0.
      norm: root mean square under Gaussian inputs.
    """

    direction: arguments.Numbers
    degree: int
    norm: float

    def __post_init__(self) -> None:
        in_float64(self, ("direction",))
        _check_unit(self.direction, "direction", 1)
        check(self.dim >= 2, "direction", "have at least 2 entries", self.dim)
        _check_size(self.degree, self.norm)

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.direction.size

    def _log_moment(self) -> float:
        """Returns the log E |x|^{2k} for x ~ N(0, I_d)."""
        half = 0.5 * self.dim
        return self.degree * math.log(2.0) + float(log_gamma_ratio(half, float(self.degree)))

    def _factor(self) -> float:
        """Returns C = sqrt(B(d, k)/E |x|^{2k})."""
        return math.exp(0.5 * (math.log(multiplicity(self.dim, self.degree)) - self._log_moment()))

    def _polynomial(self, t: Array) -> Array:
        *_, value = polynomials(self.dim, self.degree, t)
        return value

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``, (n,)."""
        length = jnp.linalg.norm(x, axis=1)
        cosine = (x @ self.direction) / jnp.where(length > 0.0, length, 1.0)
        return self.norm * self._factor() * length**self.degree * self._polynomial(cosine)

    def symbol(self, v: Float[Array, "m d"]) -> Float[Array, "m"]:
        """Returns sqrt(k!) f*(v): a harmonic polynomial is its own Hermite expansion."""
        factor = self.norm * self._factor() * math.sqrt(math.factorial(self.degree))
        return factor * self._polynomial(v @ self.direction)

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        k = self.degree
        return f"c |x|^{k} P_{k}(<w*, x>/|x|), E f*^2 = {self.norm**2:g}, d = {self.dim}"

    def second_moment(self, inputs: str) -> float:
        """Returns the exact E f*(x)^2: norm^2, less on the sphere of radius sqrt(d)."""
        if inputs == "gaussian":
            return self.norm**2
        return self.norm**2 * math.exp(self.degree * math.log(self.dim) - self._log_moment())

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the polynomial by degree; it has one."""
        profiles = np.zeros((1, max_degree + 1, radii.nodes.size))
        if self.degree <= max_degree:
            size = self.norm * self._factor() / math.sqrt(multiplicity(self.dim, self.degree))
            profiles[0, self.degree] = size * radii.nodes**self.degree
        return ZonalSum(self.direction[None, :], jnp.asarray(profiles))


as_tree(Polynomial, ("directions", "coefficients"), ("degree", "norm", "words"))
as_tree(Gegenbauer, ("direction",), ("degree", "norm"))
