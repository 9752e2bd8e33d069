"""Targets made of ReLU neurons: a teacher network, and the paper's single neuron."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.problem.target import in_float64
from rf_limits.problem.teacher_family import common_family, common_ratio
from rf_limits.theory.bounds.neuron_family import NeuronFamily
from rf_limits.theory.bounds.rotated_family import Family, family_of_degrees
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.sphere import expected_relu_product
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product
from rf_limits.theory.spectra.spectrum import zonal_spectrum
from rf_limits.theory.spectra.zonal import Radii, ZonalSum
from rf_limits.types import as_tree


def _check_sizes(values: np.ndarray, name: str, least: float = 0.0) -> None:
    """Refuses sizes whose products leave float64."""
    sizes = np.abs(values)
    inside = (sizes == 0.0) | ((sizes >= least) & (sizes <= 1e100))
    worst = float(values[np.argmin(inside)]) if values.size else 0.0
    wanted = f"be 0 or of a size from {least:g} to 1e100" if least else "be of a size up to 1e100"
    check(bool(np.all(inside)), name, wanted, worst)


@dataclasses.dataclass(frozen=True, eq=False)
class Teacher:
    """Several ReLU neurons: f*(x) = sum_j coefficients_j relu(<directions_j, x> + biases_j).

    Attributes:
      directions: (k, d) weight vectors, any real numbers, in float64 once built; their lengths
        are part of the target. A zero one makes a constant, relu(biases_j).
      biases: (k,) biases.
      coefficients: (k,) output weights.

    Raises:
      RequirementError: arrays that do not go together; weights, biases or coefficients that are
        not finite or above 1e100 in size, and weights that are below 1e-100 but not 0: their
        products and squares have to stay in float64.
    """

    directions: arguments.Numbers
    biases: arguments.Numbers
    coefficients: arguments.Numbers

    def __post_init__(self) -> None:
        arrays = (self.directions, self.biases, self.coefficients)
        if any(isinstance(array, jax.core.Tracer) for array in arrays):
            return
        in_float64(self, ("directions", "biases", "coefficients"))
        arrays = (self.directions, self.biases, self.coefficients)
        directions, biases, coefficients = map(np.asarray, arrays)
        count = len(directions) if directions.ndim == 2 else None
        check(
            count is not None, "directions", "have two axes, neurons and inputs", directions.shape
        )
        for name, array in (("biases", biases), ("coefficients", coefficients)):
            check(array.shape == (count,), name, f"have the shape ({count},)", array.shape)
            _check_sizes(array, name)
        _check_sizes(np.max(np.abs(directions), axis=1, initial=0.0), "directions", 1e-100)

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.directions.shape[1]

    @property
    def norm(self) -> Float[Array, "k"]:
        """Returns the (k,) lengths of the weight vectors."""
        return jnp.linalg.norm(self.directions, axis=1)

    def as_relu_sum(self) -> ReluSum:
        """Returns the same function in the form the exact expectations take."""
        biases = None if self.is_homogeneous else self.biases
        return ReluSum(self.directions, biases, self.coefficients)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``, (n,)."""
        return jnp.maximum(x @ self.directions.T + self.biases, 0.0) @ self.coefficients

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        return f"sum of {self.coefficients.size} neurons c_j relu(<w_j, x> + b_j)"

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Returns the exact E f(x) f*(x) for x ~ N(0, I_d)."""
        return relu_sum_product(f, self.as_relu_sum())

    @property
    def is_homogeneous(self) -> bool:
        """Returns whether all biases are zero; traced ones may differ from it."""
        if isinstance(self.biases, jax.core.Tracer):
            return False
        return not bool(np.any(np.asarray(self.biases) != 0.0))

    @property
    def odd_degrees(self) -> bool:
        """Returns whether odd degrees k >= 3 are present: without biases they vanish."""
        return not self.is_homogeneous

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the target by degree."""
        return self.as_relu_sum().zonal_sum(max_degree, radii)

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Returns tails of the neurons' spectra, added by the triangle inequality."""
        tails = np.zeros(max_degree + 1)
        norms = np.linalg.norm(np.asarray(self.directions), axis=1)
        biases, sizes = np.asarray(self.biases), np.asarray(self.coefficients)
        for norm, bias, size in zip(norms, biases, sizes, strict=True):
            if norm == 0.0:
                continue  # a constant has degree 0 alone
            # beyond 30 lengths of the weights a bias leaves nothing of degree 2 and more
            beta = min(max(float(bias / norm), -30.0), 30.0)
            spectrum = zonal_spectrum(self.dim, max_degree, bias=beta)
            beyond = spectrum.tail + np.cumsum(spectrum.weights[::-1])[::-1] - spectrum.weights
            tails += abs(float(size)) * float(norm) * np.sqrt(beyond)
        return tails

    def family(self, inputs: str) -> Family:
        """Returns the family of f*(O x), O uniform in the orthogonal group."""
        arrays = (self.directions, self.biases, self.coefficients)
        directions, biases, coefficients = map(np.asarray, arrays)
        ratio = common_ratio(directions, biases, coefficients)
        if ratio is None or (inputs != "gaussian" and ratio != 0.0):
            return family_of_degrees(self, inputs)
        check(self.dim >= 2, "problem.dim", "be at least 2 for a lazy limit", self.dim)
        return common_family(directions, coefficients, ratio, self.second_moment(inputs))

    def second_moment(self, inputs: str) -> float:
        """Returns the exact E f*(x)^2 under ``inputs`` (:data:`rf_limits.problem.INPUTS`).

        Without biases f* is homogeneous and both input distributions share the value; with
        biases the sphere takes one-dimensional quadrature
        (:mod:`rf_limits.theory.numerics.sphere`).

        Raises:
          RequirementError: biases on the sphere in fewer than three dimensions.
        """
        if inputs == "gaussian" or self.is_homogeneous:
            neurons = self.as_relu_sum()  # compiled as a whole: by operations it takes seconds
            return float(jax.jit(relu_sum_product)(neurons, neurons))
        check(
            self.dim >= 3, "problem.dim", "be at least 3 for a biased target on a sphere", self.dim
        )
        norms = np.asarray(self.norm)
        # a zero neuron is a constant, and its angles are of no consequence
        unit = np.asarray(self.directions) / np.where(norms == 0.0, 1.0, norms)[:, None]
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

    def __post_init__(self) -> None:
        shape = np.shape(self.directions)
        wanted = "have the shape (1, d), one neuron (SingleNeuron.create takes a vector)"
        check(len(shape) == 2 and shape[0] == 1, "directions", wanted, shape)
        super().__post_init__()

    @classmethod
    def create(
        cls, direction: arguments.Numbers, norm: arguments.Number, bias: arguments.Number
    ) -> "SingleNeuron":
        """Returns a neuron along ``direction`` (d,), scaled to |w*| = ``norm``, with bias b*.

        Raises:
          RequirementError: a direction of 0, or sizes as for a :class:`Teacher`.
        """
        if not isinstance(direction, jax.core.Tracer):
            direction = arguments.vector(direction, "direction")
            length = np.max(np.abs(direction), initial=0.0)
            check(bool(length > 0.0), "direction", "not be 0", length)
            _check_sizes(np.array([length]), "direction", 1e-100)
            direction = jnp.asarray(direction)
        unit = direction / jnp.linalg.norm(direction)
        return cls(norm * unit[None, :], jnp.full(1, bias, unit.dtype), jnp.ones(1, unit.dtype))

    def family(self, inputs: str) -> Family:
        """Returns the family of f*(O x): to every accuracy, but with a bias on the sphere."""
        if inputs == "gaussian" or self.is_homogeneous:
            check(self.dim >= 2, "problem.dim", "be at least 2 for a lazy limit", self.dim)
            return NeuronFamily(self.dim, float(self.norm[0]), float(self.biases[0]))
        return super().family(inputs)

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        bias = float(self.biases[0])
        shift = "" if bias == 0.0 else f" {'+' if bias > 0 else '-'} {abs(bias):g}"
        return f"relu(<w*, x>{shift}), |w*| = {float(self.norm[0]):g}, d = {self.dim}"


for _kind in (Teacher, SingleNeuron):
    as_tree(_kind, ("directions", "biases", "coefficients"))
