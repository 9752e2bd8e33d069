r"""How far SGD on a network can leave SGD on its random features: the paper's coupling.

Both runs take the same steps eta on the same samples, on half squared errors over alpha^2, from
f_0 = 0, in NTK parameterization with relu. Everything follows from time t = eta times steps and
the impulse

.. math:: M = \frac{\eta}{\alpha} \sum_s \big(E(f_s-y)^2\big)^{1/2},

E over a fresh sample, with r = |(x/sqrt(d), [1 with biases])| and s^2 = r^2/2, the mean square of
a neuron's value.

- *Hidden layer trained, u_i = +-1* (the random features are the gates times x). A neuron moves by
  |delta_i| <= M r/sqrt(N), so its preactivation by m = M r^2/sqrt(N). It departs from its
  linearization only where its gate flips, which asks for |h_i| <= m, h_i ~ N(0, r^2): a share
  q = sqrt(2/pi) m/r of the gates. At equal parameters the two functions then differ by at most
  tau = alpha M r^2 q, and the features by r sqrt(q).
- *All layers trained, u_0 = 0* (the random features are the neurons). |u_i| <= M s/sqrt(N), so
  |delta_i| <= M^2 r s/(2 N): features change by M^2 r^2 s/(2 N), and at equal u the functions
  differ by at most tau = alpha M^3 r^2 s^2/(2 N).

The random-features run is a contraction while eta R^2 <= 2, R^2 = s^2 the mean |phi(x)|^2, so the
parameters of the two runs part by at most (t/alpha) tau R + M times the change of features, and
their functions by tau plus alpha R times that: O(N^{-1/4}), by the gates' share of the
gradient, and O(1/N). The argument is that of Yehudai and Shamir (2019, section 3).

**Estimates, with one exception.** Root mean squares over initialization and inputs stand for
random quantities, factor by factor, so that the "at most" above hold for typical sizes and are not
proved: neurons that gate and move more than most do so together. What is proved, of the first
regime: in a step |W_{s+1} - W_s|_F <= (eta/alpha) |f_s - y| |(x/sqrt(d), [1])|, whose mean over
the fresh sample is at most (eta/alpha) (E (f_s - y)^2)^{1/2} r by Cauchy and Schwarz (r^2 = 1 or 2,
for Gaussian inputs as on the sphere), hence

.. math:: E|W_t - W_0|_F \le r\,E M,

the expectation over initialization and samples, at every width and step.
"""

import math
from typing import NamedTuple

from rf_limits.errors import check, check_choice
from rf_limits.theory.numerics.arguments import Nonnegative, Positive, Size, border

REGIMES = ("hidden", "all")


class CouplingEstimate(NamedTuple):
    """What the argument gives at width N, after time t and impulse M.

    Attributes:
      weight_movement: |W_t - W_0|_F/|W_0|_F, biases included.
      gap: root mean square difference of the network and the random-features run.
    """

    weight_movement: float
    gap: float


@border
def coupling_estimate(
    regime: str,
    impulse: Nonnegative,
    time: Nonnegative,
    width: Size,
    dim: Size,
    *,
    lazy_scale: Positive = 1.0,
    bias: bool = False,
) -> CouplingEstimate:
    """Returns the estimates of the module docstring; no guarantee.

    Args:
      regime: ``"hidden"`` (hidden layer trained, u_i = +-1) or ``"all"`` (both layers, u_0 = 0).
      impulse: M.
      time: t, learning rate times steps.
      width: N.
      dim: d; inputs have |x|^2 about d.
      lazy_scale: alpha.
      bias: whether neurons have biases.

    Returns:
      :class:`CouplingEstimate`.

    Raises:
      RequirementError: unknown ``regime``, negative impulse or time, a width or dimension that
        is not a whole number of at least 1, a scale that is not positive; sizes whose products
        float64 does not hold.
    """
    check_choice(regime, REGIMES, "regime")
    r = math.sqrt(2.0) if bias else 1.0
    parameters = dim + 1 if bias else dim
    size = r / math.sqrt(2.0)  # s, and R
    if regime == "hidden":
        moved = impulse * r / math.sqrt(width)
        flips = min(1.0, math.sqrt(2.0 / math.pi) * moved)
        tau = lazy_scale * impulse * r**2 * flips
        features = r * math.sqrt(flips)
    else:
        moved = impulse * impulse * r * size / (2.0 * width)
        tau = lazy_scale * impulse * impulse * impulse * r**2 * size**2 / (2.0 * width)
        features = impulse * impulse * r**2 * size / (2.0 * width)
    apart = time / lazy_scale * tau * size + impulse * features
    gap = tau + lazy_scale * size * apart
    check(math.isfinite(gap), "impulse", "leave a gap that float64 holds", impulse)
    return CouplingEstimate(moved / math.sqrt(parameters), gap)
