r"""Polynomial targets of any degrees: sums of products of Hermite polynomials of coordinates.

In orthonormal coordinates z = axes x, f*(x) = sum_a c_a prod_j he_{a_j}(z_j), he_k the Hermite
polynomial with E he_k(z)^2 = 1. The terms are orthonormal under Gaussian inputs. Those of one
Hermite degree n = |a| have the symbol (:mod:`rf_limits.problem.polynomials`)

.. math:: s_n(v) = \sum_{|a| = n} c_a \sqrt{n!/a!}\; v^a, \qquad
    v^a = \frac{1}{n!} \sum_{t \le a} (-1)^{|t|} \binom{a}{t} \langle a/2 - t, v\rangle^n,

the second identity being polarization, which writes it in powers of few linear forms.
"""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.problem.polynomials import Polynomial, hermite
from rf_limits.problem.target import in_float64
from rf_limits.theory.numerics import arguments
from rf_limits.theory.risks.relu_moments import ReluSum
from rf_limits.theory.spectra.zonal import Radii, ZonalSum, joined, radial_rule, zonal_products
from rf_limits.types import as_tree

Index = tuple[int, ...]

MOST_FORMS = 4096
"""Linear forms that the terms of one degree may be written in."""
_MOST_CANCELLATION = 1e6  # of the powers of these forms, relative to their sum


def _forms(index: Index) -> dict[tuple[float, ...], float]:
    """Returns linear forms h and weights with v^index = sum_h weights_h <h, v>^n."""
    active = [j for j, power in enumerate(index) if power]
    degree = sum(index)
    if len(active) <= 1:
        return {tuple(float(j in active) for j in range(len(index))): 1.0}
    found: dict[tuple[float, ...], float] = {}
    for t in itertools.product(*(range(power + 1) for power in index)):
        form = tuple(0.5 * power - step for power, step in zip(index, t, strict=True))
        first = next((entry for entry in form if entry), 0.0)
        if first <= 0.0:  # the opposite form has the same power and weight; 0 has none
            continue
        weight = (-1) ** sum(t) * math.prod(map(math.comb, index, t))
        found[form] = 2.0 * weight / math.factorial(degree)
    return found


def _one_degree(
    axes: Float[Array, "m d"], degree: int, terms: dict[Index, Any], words: str
) -> Polynomial:
    """Returns the terms of one Hermite degree as powers of unit directions."""
    weights: dict[tuple[float, ...], Any] = defaultdict(float)
    for index, coefficient in terms.items():
        multinomial = math.factorial(degree) / math.prod(map(math.factorial, index))
        for form, weight in _forms(index).items():
            weights[form] += coefficient * math.sqrt(multinomial) * weight
    check(
        len(weights) <= MOST_FORMS,
        "problem.terms",
        f"need {MOST_FORMS} forms at most",
        len(weights),
    )
    forms = np.array(list(weights))
    lengths = np.linalg.norm(forms, axis=1) if degree else np.ones(1)
    forms = forms / lengths[:, None] if degree else np.eye(1, forms.shape[1])
    sizes = np.array(list(weights.values()), np.float64) * lengths**degree
    norm = math.sqrt(math.fsum(float(c) ** 2 for c in terms.values()))
    lost = float(np.sum(np.abs(sizes))) / norm
    resolved = f"keep the cancellation of their powers below {_MOST_CANCELLATION:g}"
    check(lost <= _MOST_CANCELLATION, "problem.terms", f"{resolved} (lower degrees)", lost)
    return Polynomial(jnp.asarray(forms) @ axes, jnp.asarray(sizes), degree, norm, words)


def _check_indices(indices: Sequence[Index], axes: int) -> None:
    check(len(indices) > 0, "problem.terms", "be at least one", len(indices))
    check(len(set(indices)) == len(indices), "problem.terms", "have different indices", indices)
    for index in indices:
        check(
            len(index) == axes, "problem.terms", f"have {axes} powers each, one for an axis", index
        )
        for power in index:
            arguments.whole(power, "problem.terms")


def _words(index: Index) -> str:
    factors = [f"he_{power}(z_{j + 1})" for j, power in enumerate(index) if power]
    return " ".join(factors) or "1"


@dataclasses.dataclass(frozen=True, eq=False)
class HermiteSum:
    """f*(x) = sum_a coefficients_a prod_j he_{a_j}(z_j), z = axes x.

    Attributes:
      axes: (m, d) orthonormal rows.
      indices: powers a, m each, all different.
      coefficients: (s,) c_a, not 0.
      parts: the terms of each Hermite degree; made from the other fields.

    Raises:
      RequirementError: axes that are not orthonormal to 1e-5, fields that do not go together, or
        degrees so high that float64 does not hold the sum of their powers.
    """

    axes: arguments.Numbers
    indices: tuple[Index, ...]
    coefficients: arguments.Numbers
    parts: tuple[Polynomial, ...] = dataclasses.field(init=False)
    is_homogeneous: ClassVar[bool] = False

    def __post_init__(self) -> None:
        in_float64(self, ("axes", "coefficients"))
        axes, sizes = np.asarray(self.axes), np.asarray(self.coefficients)
        check(axes.ndim == 2, "axes", "have two axes, coordinates and inputs", axes.shape)
        worst = float(np.max(np.abs(axes @ axes.T - np.eye(len(axes))), initial=0.0))
        check(worst < 1e-5, "axes", "be orthonormal to 1e-5", worst)
        indices = tuple(tuple(index) for index in self.indices)
        _check_indices(indices, len(axes))
        wanted = (len(indices),)
        check(sizes.shape == wanted, "coefficients", f"have the shape {wanted}", sizes.shape)
        good = np.isfinite(sizes) & (sizes != 0.0)
        check(bool(np.all(good)), "coefficients", "be finite and not 0", sizes[~good][:1])
        object.__setattr__(self, "indices", indices)
        by_degree: dict[int, dict[Index, float]] = defaultdict(dict)
        for index, size in zip(indices, sizes, strict=True):
            by_degree[sum(index)][index] = float(size)
        parts = tuple(
            _one_degree(jnp.asarray(axes), n, by_degree[n], self.formula())
            for n in sorted(by_degree)
        )
        object.__setattr__(self, "parts", parts)

    @property
    def dim(self) -> int:
        """Returns the input dimension d."""
        return self.axes.shape[1]

    @property
    def degree(self) -> int:
        """Returns the largest Hermite degree."""
        return self.parts[-1].degree

    @property
    def information_exponent(self) -> int | None:
        """Returns the least Hermite degree above 0; None of a constant.

        Where it is k, a neuron of any direction sees the target at first by its k-th Hermite
        coefficient alone (Ben Arous, Gheissari and Jagannath 2021, definition 1.2).
        """
        return next((part.degree for part in self.parts if part.degree > 0), None)

    @property
    def odd_degrees(self) -> bool:
        """Returns whether odd degrees k >= 3 are present."""
        return any(part.odd_degrees for part in self.parts)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``, (n,)."""
        z = x @ self.axes.T
        values = jnp.zeros(x.shape[:1], z.dtype)
        for index, coefficient in zip(self.indices, self.coefficients, strict=True):
            factors = [hermite(power, z[:, j]) for j, power in enumerate(index) if power]
            values = values + coefficient * math.prod(factors, start=jnp.ones_like(values))
        return values

    def formula(self) -> str:
        """Returns the function in words a paper would use."""
        terms = [
            f"{float(size):g} {_words(index)}"
            for index, size in zip(self.indices, np.asarray(self.coefficients), strict=True)
        ]
        return f"{' + '.join(terms)}, d = {self.dim}"

    def product(self, f: ReluSum) -> Float[Array, ""]:
        """Returns the exact E f(x) f*(x), x ~ N(0, I_d)."""
        return jnp.sum(jnp.stack([part.product(f) for part in self.parts]))

    def second_moment(self, inputs: str) -> float:
        """Returns the exact E f*(x)^2 under ``inputs``."""
        if inputs == "gaussian":
            return math.fsum(part.norm**2 for part in self.parts)
        radii = radial_rule(self.dim, homogeneous=False, inputs="sphere")
        f = self.zonal_sum(self.degree, radii)
        return float(jnp.sum(zonal_products(f, f, radii)))

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the target by degree."""
        return joined([part.zonal_sum(max_degree, radii) for part in self.parts])

    def degree_tails(self, max_degree: int) -> np.ndarray:
        """Returns the root mean square of the terms of a Hermite degree above k.

        What has Hermite degree n has no harmonics of a degree above n.
        """
        squares = np.zeros(max_degree + 1)
        for part in self.parts:
            squares[: part.degree] += part.norm**2
        return np.sqrt(squares)


as_tree(HermiteSum, ("axes", "coefficients", "parts"), ("indices",))
