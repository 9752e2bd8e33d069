"""Polynomials by name: single index, harmonic, products of Hermite polynomials, monomials."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import special

from rf_limits.errors import check, check_choice
from rf_limits.problem.polynomials import Gegenbauer, Polynomial

MOST_DEGREE = 100
"""Largest degree of a polynomial target."""
MOST_FACTORS = 10
"""Largest degree of a monomial target: it is made of 2^(k - 1) single-index polynomials."""


def _on_circle(form: np.ndarray, axes: Float[Array, "2 d"], words: str, norm: float) -> Polynomial:
    """Returns sum_i form_i he_i(z_1) he_{k-i}(z_2) in single-index polynomials.

    he_k(cos(a) z_1 + sin(a) z_2) = sum_i binom(k, i)^{1/2} cos^i(a) sin^{k-i}(a) he_i he_{k-i};
    k + 1 angles over half the circle give all of them.
    """
    k = len(form) - 1
    angles = math.pi * np.arange(k + 1) / (k + 1)
    i = np.arange(k + 1)[:, None]
    roots = np.sqrt(special.comb(k, i))
    table = roots * np.cos(angles) ** i * np.sin(angles) ** (k - i)
    weights = np.linalg.solve(table, norm * form / np.linalg.norm(form))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ np.asarray(axes)
    return Polynomial(jnp.asarray(directions), jnp.asarray(weights), k, norm, words)


def _single_index(axes: Float[Array, "m d"], degree: int, norm: float) -> Polynomial:
    return Polynomial(axes[:1], jnp.full(1, norm), degree, norm, f"he_{degree}(z_1)")


def _harmonic(axes: Float[Array, "m d"], degree: int, norm: float) -> Polynomial:
    """Returns Re (z_1 + i z_2)^k; z_1^i z_2^(k-i) are unnormalized Hermite polynomials."""
    i = np.arange(degree + 1)
    sizes = np.sqrt(special.factorial(i) * special.factorial(degree - i))
    form = special.comb(degree, i) * sizes * np.real(1j ** (degree - i))
    return _on_circle(form, axes, f"Re (z_1 + i z_2)^{degree}", norm)


def _hermite_product(axes: Float[Array, "m d"], degree: int, norm: float) -> Polynomial:
    first = -(-degree // 2)
    form = (np.arange(degree + 1) == first).astype(np.float64)
    return _on_circle(form, axes, f"he_{first}(z_1) he_{degree - first}(z_2)", norm)


def _monomial(axes: Float[Array, "m d"], degree: int, norm: float) -> Polynomial:
    """Returns z_1 ... z_k = sum over signs s of s_1 ... s_k <s, z>^k/(2^k k!); s and -s agree."""
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=degree - 1)))
    signs = np.concatenate([np.ones((len(signs), 1)), signs], axis=1)
    size = norm * degree ** (0.5 * degree) / math.sqrt(math.factorial(degree)) / len(signs)
    directions = jnp.asarray(signs) @ axes / math.sqrt(degree)
    words = " ".join(f"z_{i + 1}" for i in range(degree))
    return Polynomial(directions, jnp.asarray(size * np.prod(signs, axis=1)), degree, norm, words)


_KINDS = {
    "single_index": _single_index,
    "harmonic": _harmonic,
    "hermite_product": _hermite_product,
    "monomial": _monomial,
}
BY_COORDINATES = tuple(_KINDS)
"""Kinds that are written in some of the coordinates: those with a largest coefficient."""
POLYNOMIALS = (*BY_COORDINATES, "gegenbauer")


def polynomial_axes(kind: str, degree: int) -> int:
    """Returns how many orthonormal coordinates a polynomial is written in."""
    return {"monomial": degree, "harmonic": 2, "hermite_product": 2}.get(kind, 1)


def check_polynomial(kind: str, degree: int, dim: int) -> None:
    """Refuses kinds that do not exist, and degrees that they cannot have in dimension d.

    Raises:
      RequirementError: naming the field.
    """
    check_choice(kind, POLYNOMIALS, "problem.polynomial")
    check(degree >= 0, "problem.degree", "be at least 0", degree)
    check(degree <= MOST_DEGREE, "problem.degree", f"be at most {MOST_DEGREE}", degree)
    if kind == "monomial":
        requirement = f"be from 1 to {MOST_FACTORS} for a monomial"
        check(1 <= degree <= MOST_FACTORS, "problem.degree", requirement, degree)
    least = 2 if kind == "gegenbauer" else polynomial_axes(kind, degree)
    requirement = f"be at least {least} for problem.polynomial = {kind!r} of this degree"
    check(dim >= least, "problem.dim", requirement, dim)


def make_polynomial(
    axes: Float[Array, "m d"], kind: str, degree: int, norm: float = 1.0
) -> Polynomial | Gegenbauer:
    """Returns a polynomial with E f*^2 = norm^2 for x ~ N(0, I_d), in coordinates z = axes x.

    Args:
      axes: (m, d) orthonormal rows, m = ``polynomial_axes(kind, degree)``.
      kind: ``"single_index"``: he_k(z_1); ``"harmonic"``: Re (z_1 + i z_2)^k, of the one degree
        k on every sphere too; ``"hermite_product"``: he_a(z_1) he_b(z_2), a = ceil(k/2), b =
        floor(k/2); ``"monomial"``: z_1 z_2 ... z_k; ``"gegenbauer"``:
        |x|^k P_k(z_1/|x|), the zonal harmonic.
      degree: degree k >= 0, or k >= 1 for a monomial.
      norm: root mean square.

    Raises:
      RequirementError: an unknown kind, a degree that it cannot have, or too few coordinates.
    """
    count, dim = axes.shape
    check_polynomial(kind, degree, dim)
    needed = polynomial_axes(kind, degree)
    check(count == needed, "axes", f"have {needed} rows", count)
    if kind == "gegenbauer":
        return Gegenbauer(axes[0], degree, norm)
    return _KINDS[kind](axes, degree, norm)


def _largest_of_hermite(degree: int) -> float:
    """Returns the largest |coefficient| of a power in he_k."""
    powers = np.polynomial.hermite_e.herme2poly([0.0] * degree + [1.0])
    return float(np.max(np.abs(powers))) / math.sqrt(math.factorial(degree))


def largest_coefficient(kind: str, degree: int) -> float:
    """Returns the largest |coefficient| of a monomial z_1^i z_2^j ... in the polynomial of norm 1.

    The size in which the paper's theorem on polynomials is stated (Yehudai and Shamir 2019,
    section 3), in the coordinates of :func:`make_polynomial`.

    Args:
      kind: as there, but for the zonal harmonic, which depends on all coordinates.
      degree: degree k.
    """
    check_choice(kind, BY_COORDINATES, "problem.polynomial")
    if kind == "monomial":
        return 1.0
    if kind == "single_index":
        return _largest_of_hermite(degree)
    if kind == "hermite_product":
        first = -(-degree // 2)
        return _largest_of_hermite(first) * _largest_of_hermite(degree - first)
    # E (Re (z_1 + i z_2)^k)^2 = E |z|^{2k}/2 = 2^{k-1} k!, but 1 for k = 0
    size = math.sqrt(2.0 ** (degree - 1) * math.factorial(degree)) if degree else 1.0
    i = np.arange(degree + 1)
    return float(np.max(special.comb(degree, i) * np.abs(np.real(1j**i)))) / size
