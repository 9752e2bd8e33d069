"""Targets: functions that know their formula, their norm and their exact second moment.

Every target is a frozen dataclass of arrays, hashed by identity and callable on a batch of
inputs. Three kinds of exact knowledge are asked of it: its second moment under either input
distribution, its product with a sum of ReLU neurons under Gaussian inputs
(:mod:`rf_limits.theory.population_risk`), and itself degree by degree
(:mod:`rf_limits.theory.degree_risks`).
"""

import dataclasses
import math
from typing import ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float, Key

from rf_limits.errors import check, check_choice
from rf_limits.theory.bivariate_normal import normal_density
from rf_limits.theory.harmonics import gegenbauer, log_multiplicity
from rf_limits.theory.hermite import hermite_values
from rf_limits.theory.relu_moments import ReluSum, relu_sum_product
from rf_limits.theory.spectrum import zonal_spectrum
from rf_limits.theory.sphere import coordinate_nodes, expected_relu_product
from rf_limits.theory.zonal import Radii, ZonalSum


@runtime_checkable
class Target(Protocol):
    """What the rest of the package asks of a target."""

    name: ClassVar[str]

    @property
    def dim(self) -> int:
        """Input dimension d."""

    @property
    def has_bias(self) -> bool:
        """Whether any bias differs from zero."""

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Values at the rows of ``x``."""

    def formula(self) -> str:
        """The function in words a paper would use."""

    def second_moment(self, inputs: str) -> float:
        """Exact E f*(x)^2 under ``inputs``."""

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Exact E f(x) f*(x) under Gaussian inputs."""

    @property
    def is_homogeneous(self) -> bool:
        """Whether f*(r x) = r f*(x) for r > 0."""

    @property
    def odd_degrees(self) -> bool:
        """Whether odd degrees k >= 3 may be present."""

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """The target by degree (:mod:`rf_limits.theory.zonal`)."""

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """(K + 1,) bounds on the root of E (f* - sum of its degrees up to k)^2, x ~ N(0, I_d)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """Several ReLU neurons: f*(x) = sum_j coefficients_j relu(<directions_j, x> + biases_j).

    Attributes:
      directions: (k, d) weight vectors; their lengths are part of the target.
      biases: (k,) biases.
      coefficients: (k,) output weights.
    """

    directions: Float[Array, "k d"]
    biases: Float[Array, "k"]
    coefficients: Float[Array, "k"]
    name: ClassVar[str] = "teacher"

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.directions.shape[1]

    @property
    def norm(self) -> Float[Array, "k"]:
        """Lengths of the weight vectors, (k,)."""
        return jnp.linalg.norm(self.directions, axis=1)

    @property
    def has_bias(self) -> bool:
        """Whether any bias differs from zero."""
        return bool(np.any(np.asarray(self.biases) != 0.0))

    def as_relu_sum(self) -> ReluSum:
        """The same function in the form the exact expectations take."""
        biases = self.biases if self.has_bias else None
        return ReluSum(self.directions, biases, self.coefficients)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Values at the rows of ``x``, (n,)."""
        return jnp.maximum(x @ self.directions.T + self.biases, 0.0) @ self.coefficients

    def formula(self) -> str:
        """The function in words a paper would use."""
        return f"sum of {self.coefficients.size} neurons c_j relu(<w_j, x> + b_j)"

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Exact E f(x) f*(x) for x ~ N(0, I_d)."""
        return relu_sum_product(f, self.as_relu_sum())

    @property
    def is_homogeneous(self) -> bool:
        """Whether no neuron has a bias."""
        return not self.has_bias

    @property
    def odd_degrees(self) -> bool:
        """Whether odd degrees k >= 3 are present: without biases they vanish."""
        return self.has_bias

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """The target by degree."""
        return self.as_relu_sum().zonal_sum(max_degree, radii)

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Tails of the neurons' spectra, added by the triangle inequality."""
        tails = np.zeros(max_degree + 1)
        for norm, bias, size in zip(self.norm, self.biases, self.coefficients, strict=True):
            # beyond 30 lengths of the weights a bias leaves nothing of degree 2 and more
            beta = min(max(float(bias / norm), -30.0), 30.0)
            spectrum = zonal_spectrum(self.dim, max_degree, bias=beta)
            beyond = spectrum.tail + np.cumsum(spectrum.weights[::-1])[::-1] - spectrum.weights
            tails += abs(float(size)) * float(norm) * np.sqrt(beyond)
        return tails

    def second_moment(self, inputs: str) -> float:
        """Exact E f*(x)^2 under ``inputs`` (:data:`rf_limits.problem.INPUTS`).

        Without biases f* is homogeneous and both input distributions share the value; with
        biases the sphere takes one-dimensional quadrature (:mod:`rf_limits.theory.sphere`).

        Raises:
          RequirementError: biases on the sphere in fewer than three dimensions.
        """
        if inputs == "gaussian" or not self.has_bias:
            own = self.as_relu_sum()  # compiled as a whole: by operations it takes seconds
            return float(jax.jit(relu_sum_product)(own, own))
        check(
            self.dim >= 3, "problem.dim", "be at least 3 for a biased target on a sphere", self.dim
        )
        norms = np.asarray(self.norm)
        unit = np.asarray(self.directions) / norms[:, None]
        cosines = np.clip(unit @ unit.T, -1.0, 1.0)
        total = 0.0
        for i, c_i in enumerate(np.asarray(self.coefficients)):
            for j, c_j in enumerate(np.asarray(self.coefficients)):
                total += float(c_i * c_j) * expected_relu_product(
                    float(norms[i]),
                    float(self.biases[i]),
                    float(norms[j]),
                    float(self.biases[j]),
                    float(cosines[i, j]),
                    self.dim,
                )
        return total


@dataclasses.dataclass(frozen=True, eq=False)
class SingleNeuron(Teacher):
    """The paper's target f*(x) = relu(<w*, x> + b*) (Yehudai and Shamir 2019, section 4)."""

    name: ClassVar[str] = "single_neuron"

    @classmethod
    def create(cls, direction: Float[Array, "d"], norm: float, bias: float) -> "SingleNeuron":
        """A neuron along ``direction`` (d,), scaled to |w*| = ``norm``, with bias b*."""
        unit = direction / jnp.linalg.norm(direction)
        return cls(norm * unit[None, :], jnp.full(1, bias, unit.dtype), jnp.ones(1, unit.dtype))

    def formula(self) -> str:
        """The function in words a paper would use."""
        bias = float(self.biases[0])
        shift = "" if bias == 0.0 else f" {'+' if bias > 0 else '-'} {abs(bias):g}"
        return f"relu(<w*, x>{shift}), |w*| = {float(self.norm[0]):g}, d = {self.dim}"


def _hermite(degree: int, x: Array) -> Array:
    """Normalized probabilists' Hermite polynomial: E he_k(z)^2 = 1 for z ~ N(0, 1)."""
    before, value = jnp.zeros_like(x), jnp.ones_like(x)
    for k in range(degree):
        before, value = value, (x * value - math.sqrt(k) * before) / math.sqrt(k + 1)
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class Polynomial:
    """Single-index polynomial f*(x) = norm he_k(<direction, x>), he_k of degree k.

    he_k is the Hermite polynomial with E he_k(z)^2 = 1 for z ~ N(0, 1), so that under
    Gaussian inputs E f*^2 = norm^2.

    Attributes:
      direction: (d,) unit vector.
      degree: degree k >= 0.
      norm: root mean square under Gaussian inputs.
    """

    direction: Float[Array, "d"]
    degree: int
    norm: float
    name: ClassVar[str] = "polynomial"

    @property
    def has_bias(self) -> bool:
        """A polynomial has none."""
        return False

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.direction.size

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Values at the rows of ``x``, (n,)."""
        return self.norm * _hermite(self.degree, x @ self.direction)

    def formula(self) -> str:
        """The function in words a paper would use."""
        return f"{self.norm:g} he_{self.degree}(<w*, x>), |w*| = 1, d = {self.dim}"

    def second_moment(self, inputs: str) -> float:
        """Exact E f*(x)^2 under ``inputs``: norm^2, or a Gauss-Gegenbauer sum on the sphere."""
        if inputs == "gaussian":
            return self.norm**2
        nodes, weights = coordinate_nodes(self.degree + 1, self.dim)
        values = _hermite(self.degree, jnp.asarray(nodes) * math.sqrt(self.dim))
        return self.norm**2 * float(jnp.sum(values**2 * weights))

    @property
    def is_homogeneous(self) -> bool:
        """Polynomials are not (those of degree one are treated like the others)."""
        return False

    @property
    def odd_degrees(self) -> bool:
        """Whether odd degrees k >= 3 are present: those of the polynomial's parity are."""
        return self.degree % 2 == 1

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """The target by degree: sqrt(B(d, k)) E_t f* P_k(t) at each radius, by Gauss' rule."""
        nodes, weights = coordinate_nodes((self.degree + max_degree) // 2 + 1, self.dim)
        values = self.norm * hermite_values(self.degree, np.outer(radii.nodes, nodes))[-1]
        scale = np.exp(0.5 * log_multiplicity(self.dim, np.arange(max_degree + 1)))
        found = (scale[:, None] * gegenbauer(self.dim, max_degree, nodes) * weights) @ values.T
        above = np.arange(max_degree + 1) > self.degree  # orthogonal, to the last bit
        found[above] = 0.0
        return ZonalSum(self.direction[None, :], jnp.asarray(found[None]))

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """The whole up to the polynomial's degree, nothing from there on."""
        return self.norm * (np.arange(max_degree + 1) < self.degree)

    def neuron_products(self, w: Float[Array, "m d"], b: Float[Array, "m"]) -> Float[Array, "m"]:
        """E relu(<w_i, x> + b_i) f*(x) for x ~ N(0, I_d).

        |w| c^k coefficient_k(b/|w|), c the cosine between w and the direction, and
        coefficient_k the k-th Hermite coefficient of t -> relu(t + beta):
        beta Phi(beta) + phi(beta), Phi(beta), He_{k-2}(-beta) phi(beta)/sqrt(k!).
        """
        length = jnp.linalg.norm(w, axis=1)
        beta = b / length
        if self.degree == 0:
            coefficient = beta * ndtr(beta) + normal_density(beta)
        elif self.degree == 1:
            coefficient = ndtr(beta)
        else:
            scale = math.sqrt(self.degree * (self.degree - 1))
            coefficient = _hermite(self.degree - 2, -beta) * normal_density(beta) / scale
        cosine = (w @ self.direction) / length
        return self.norm * length * cosine**self.degree * coefficient

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Exact E f(x) f*(x) for x ~ N(0, I_d); slopes enter as derivatives of neurons."""
        biases = jnp.zeros_like(f.amplitudes) if f.biases is None else f.biases
        value = self.neuron_products(f.weights, biases) @ f.amplitudes
        if f.slopes is None and f.offsets is None:
            return value
        slopes = jnp.zeros_like(f.weights) if f.slopes is None else f.slopes
        offsets = jnp.zeros_like(biases) if f.offsets is None else f.offsets
        _, change = jax.jvp(self.neuron_products, (f.weights, biases), (slopes, offsets))
        return value + jnp.sum(change)


TARGETS = ("single_neuron", "teacher", "polynomial")


def make_target(
    key: Key[Array, ""],
    kind: str,
    *,
    dim: int,
    norm: float = 1.0,
    bias: float = 0.0,
    neurons: int = 3,
    degree: int = 2,
) -> Target:
    """Draws a target with uniformly random direction(s).

    Args:
      key: typed PRNG key for directions (and the teacher's signs).
      kind: ``"single_neuron"``; ``"teacher"`` (``neurons`` weight vectors of length
        ``norm``, all with bias ``bias``, output weights random signs over sqrt(neurons));
        ``"polynomial"`` (:class:`Polynomial`).
      dim: input dimension d.
      norm: |w*|, or the polynomial's root mean square.
      bias: b*; must be zero for a polynomial.
      neurons: size of the teacher.
      degree: degree of the polynomial.

    Returns:
      A :class:`Target`.

    Raises:
      RequirementError: a kind that does not exist or an impossible size.
    """
    check_choice(kind, TARGETS, "problem.target")
    check(dim >= 1, "problem.dim", "be at least 1", dim)
    check(norm > 0.0, "problem.norm", "be positive", norm)
    directions_key, signs_key = jax.random.split(key)
    if kind == "single_neuron":
        direction = jax.random.normal(directions_key, (dim,), jnp.float64)
        return SingleNeuron.create(direction, norm, bias)
    if kind == "polynomial":
        check(bias == 0.0, "problem.bias", "be 0 for a polynomial target", bias)
        check(degree >= 0, "problem.degree", "be at least 0", degree)
        direction = jax.random.normal(directions_key, (dim,), jnp.float64)
        return Polynomial(direction / jnp.linalg.norm(direction), degree, norm)
    check(neurons >= 1, "problem.neurons", "be at least 1", neurons)
    directions = jax.random.normal(directions_key, (neurons, dim), jnp.float64)
    directions = norm * directions / jnp.linalg.norm(directions, axis=1, keepdims=True)
    signs = jax.random.rademacher(signs_key, (neurons,), jnp.float64)
    return Teacher(directions, jnp.full(neurons, bias), signs / jnp.sqrt(neurons))
