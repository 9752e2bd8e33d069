r"""How fast the number of features that one ReLU neuron needs grows with the dimension.

For a target relu(<w*, x>), |w*| = d^a, and an absolute risk eps, the lazy limit asks for all
harmonics up to a degree L. The neuron's second moment in degree k, even and much larger than d, is
2 d sqrt(d/(2 pi))/(pi k^4) (|w*| = 1: a kink of slope sqrt(d) in the angle, crossed with density
sqrt(d/(2 pi)) per radian, gives d sqrt(d/(2 pi))/(pi k^4) a degree on average over two), so the
degrees beyond L hold d^{3/2}/(3 pi sqrt(2 pi) L^3), and

.. math:: L = C d^{1/2 + 2a/3}, \qquad C = \Big(3\pi\sqrt{2\pi}\,\varepsilon\Big)^{-1/3}.

They have about (e L/d)^d harmonics in all, hence with b = 2a/3

.. math:: \log_{10} p(d+1) - \log_{10} p(d) = (b - \tfrac12)\log_{10} d + \log_{10} C
    + (b + \tfrac12)\log_{10} e + o(1),

where L/d grows, a > 3/4. In the paper's setting (a = 2, eps = 1/50; Yehudai and Shamir 2019) this
is (5/6) log10 d + 0.9047: p = d^{(5/6 + o(1)) d}, faster than any exponential. The paper's theorem
says "at least exponential" of another quantity, r max|u_i|.
"""

import math
from typing import NamedTuple

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Finite, Positive, border


class GrowthLaw(NamedTuple):
    """log10 p(d + 1) - log10 p(d) = slope log10 d + constant + o(1).

    Attributes:
      slope: of log10 d; log p is slope d log d to leading order.
      constant: what is added.
    """

    slope: float
    constant: float

    def digits(self, dim: float | int) -> float:
        """Returns decimal digits from d to d + 1, without the o(1)."""
        return self.slope * math.log10(dim) + self.constant


@border
def growth_law(risk: Positive, norm_exponent: Finite) -> GrowthLaw:
    """Returns the law of the module docstring.

    The o(1) at a = 2 and eps = 1/50 is -0.038 at d = 10, -0.008 at 50, -0.004 at 100 and -0.001 at
    400.

    Args:
      risk: eps, absolute.
      norm_exponent: a; |w*| = d^a.

    Returns:
      :class:`GrowthLaw`.

    Raises:
      RequirementError: a risk that is not positive; an exponent of at most 3/4, where degrees do
        not outgrow the dimension.
    """
    check(norm_exponent > 0.75, "norm_exponent", "be above 3/4", norm_exponent)
    b = 2.0 * norm_exponent / 3.0
    size = -math.log10(3.0 * math.pi * math.sqrt(2.0 * math.pi) * risk) / 3.0
    return GrowthLaw(b - 0.5, size + (b + 0.5) * math.log10(math.e))
