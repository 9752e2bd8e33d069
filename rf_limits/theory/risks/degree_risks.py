"""Risks degree by degree: how much of each degree of the target has been learned.

Exact under Gaussian inputs and on the sphere of radius sqrt(d) for everything that is a
:class:`~rf_limits.theory.spectra.zonal.ByDegree`; the two agree for functions that are homogeneous
of degree one.
"""

from jaxtyping import Array, Float

from rf_limits.theory.numerics.arguments import Whole, border
from rf_limits.theory.spectra.zonal import ByDegree, joined, radial_rule, zonal_products


def _parts(f: ByDegree | tuple[ByDegree, ...]) -> tuple[ByDegree, ...]:
    return (f,) if isinstance(f, ByDegree) else f


@border
def degree_products(
    f: ByDegree | tuple[ByDegree, ...],
    g: ByDegree | tuple[ByDegree, ...],
    max_degree: Whole,
    *,
    inputs: str = "gaussian",
    block_entries: int | None = None,
) -> Float[Array, "K"]:
    """Returns E f_k g_k for k = 0 ... K.

    f_k is the orthogonal projection of f on functions r -> (spherical harmonic of degree k)
    of x/|x|, with any dependence on r = |x|; the sum over all k is E f g.

    Args:
      f: :class:`~rf_limits.theory.risks.relu_moments.ReluSum`, target or kernel predictor, or
        several standing for their sum.
      g: the same.
      max_degree: largest degree K.
      inputs: ``"gaussian"``, x ~ N(0, I_d), or ``"sphere"``, of radius sqrt(d).
      block_entries: pairs held at a time; None: what suits the device.

    Returns:
      (K + 1,) expectations; differentiable. Rounding error is a few 1e-16 of the root of
      E f_k^2 E g_k^2, times the cancellation within f and g. Biased neurons leave a quadrature
      error as well (:func:`radial_rule`); measured with |b| up to 2.5 |w|, relative to the root
      of E f^2 E g^2: 5e-7 for d = 2, 5e-8 for 3, 1e-9 for 5, 1e-11 for 8, 1e-12 from 10 on.

    Raises:
      RequirementError: d < 2, K < 0 or unknown ``inputs``.
    """
    f, g = _parts(f), _parts(g)
    radii = radial_rule(f[0].dim, all(part.is_homogeneous for part in (*f, *g)), inputs)
    odd = all(any(part.odd_degrees for part in side) for side in (f, g))
    left, right = (joined([part.zonal_sum(max_degree, radii) for part in s]) for s in (f, g))
    return zonal_products(left, right, radii, odd_degrees=odd, block_entries=block_entries)


@border
def degree_risks(
    f: ByDegree | tuple[ByDegree, ...],
    target: ByDegree,
    max_degree: Whole,
    *,
    inputs: str = "gaussian",
    block_entries: int | None = None,
) -> Float[Array, "K"]:
    """Returns E (f_k - f*_k)^2 for k = 0 ... K.

    Args:
      f: the predictor, as in :func:`degree_products`.
      target: f*.
      max_degree: largest degree K.
      inputs: ``"gaussian"``, x ~ N(0, I_d), or ``"sphere"``, of radius sqrt(d).
      block_entries: pairs held at a time; None: what suits the device.

    Returns:
      (K + 1,) risks; what is missing to the risk of f belongs to higher degrees. Degrees 0
      to 2 are squares of differences and keep their digits however small they are. From
      degree 3 on each is, like the risk itself, a difference of numbers of the size of
      E f*_k^2 (times the square of the cancellation within f), with absolute rounding error
      about 1e-15 of that, and can come out as a small negative number.
    """
    parts = (*_parts(f), target)
    radii = radial_rule(target.dim, all(part.is_homogeneous for part in parts), inputs)
    odd = any(part.odd_degrees for part in parts)
    sums = [part.zonal_sum(max_degree, radii) for part in parts]
    sums[-1] = sums[-1].negative()
    error = joined(sums)
    return zonal_products(error, error, radii, odd_degrees=odd, block_entries=block_entries)
