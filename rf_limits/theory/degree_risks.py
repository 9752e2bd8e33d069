"""Risks degree by degree: how much of each degree of the target has been learned.

Exact under Gaussian inputs for everything that is a :class:`~rf_limits.theory.zonal.ByDegree`;
and on the sphere of radius sqrt(d) for functions that are homogeneous of degree one.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.theory.blocks import BLOCK_ENTRIES
from rf_limits.theory.zonal import ByDegree, radial_rule, zonal_products


def _parts(f: ByDegree | tuple[ByDegree, ...]) -> tuple[ByDegree, ...]:
    return f if type(f) is tuple else (f,)


def degree_products(
    f: ByDegree | tuple[ByDegree, ...],
    g: ByDegree | tuple[ByDegree, ...],
    max_degree: int,
    *,
    block_entries: int = BLOCK_ENTRIES,
) -> Float[Array, "K"]:
    """E f_k g_k for x ~ N(0, I_d) and k = 0 ... K.

    f_k is the orthogonal projection of f on functions r -> (spherical harmonic of degree k)
    of x/|x|, with any dependence on r = |x|; the sum over all k is E f g.

    Args:
      f: :class:`ReluSum`, target or kernel predictor, or several standing for their sum.
      g: the same.
      max_degree: largest degree K.
      block_entries: pairs held at a time.

    Returns:
      (K + 1,) expectations. Rounding error of a few 1e-16 times the sum of |e_i| |e_j| over
      pairs; biased neurons in addition leave a quadrature error (docs/theory.md, "Degree by
      degree").

    Raises:
      RequirementError: d < 2 or K < 0.
    """
    f, g = _parts(f), _parts(g)
    check(max_degree >= 0, "max_degree", "be at least 0", max_degree)
    radii = radial_rule(f[0].dim, all(part.is_homogeneous for part in (*f, *g)))
    left = [part.zonal_sum(max_degree, radii) for part in f]
    right = [part.zonal_sum(max_degree, radii) for part in g]
    products = [
        zonal_products(a, b, radii, block_entries=block_entries) for a in left for b in right
    ]
    return sum(products[1:], products[0])


def degree_risks(
    f: ByDegree | tuple[ByDegree, ...],
    target: ByDegree,
    max_degree: int,
    *,
    block_entries: int = BLOCK_ENTRIES,
) -> Float[Array, "K"]:
    """E (f_k - f*_k)^2 for x ~ N(0, I_d) and k = 0 ... K.

    Args:
      f: the predictor, as in :func:`degree_products`.
      target: f*.
      max_degree: largest degree K.
      block_entries: pairs held at a time.

    Returns:
      (K + 1,) risks; what is missing to the risk of f belongs to higher degrees. Like the
      risk itself each is a difference of numbers of the size of E f*_k^2 (times the square of
      the cancellation within f), with absolute rounding error about 1e-15 of that: a degree
      learned to better than 1e-15 can come out as a small negative number.
    """
    check(max_degree >= 0, "max_degree", "be at least 0", max_degree)
    parts = _parts(f)
    radii = radial_rule(target.dim, all(part.is_homogeneous for part in (*parts, target)))
    sums = [part.zonal_sum(max_degree, radii) for part in parts]
    sums.append(target.zonal_sum(max_degree, radii).negative())
    total = jnp.zeros(max_degree + 1)
    for i, a in enumerate(sums):
        for b in sums[:i]:
            total = total + 2.0 * zonal_products(a, b, radii, block_entries=block_entries)
        total = total + zonal_products(a, a, radii, block_entries=block_entries)
    return total
