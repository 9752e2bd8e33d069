r"""The triangle wave psi of Yehudai and Shamir (2019, section 4) as a sum of ReLU neurons.

For an odd integer a, psi is the odd continuous function with slope +1 on [-1, 1], slopes
alternating between -1 and +1 on [2j - 1, 2j + 1], and constant sign(t) psi(a) = +-1 beyond
|t| = a:

.. math::
    \psi(t) = \rho(t) - \rho(-t), \qquad
    \rho(t) = [t]_+ + 2\sum_{k=1}^{(a-1)/2} (-1)^k [t - (2k-1)]_+ + (-1)^{(a+1)/2} [t - a]_+.

On [-a, a] it is the wave of period 4 and range [-1, 1]. Started at -a instead of 0 the same
function is, up to the sign (-1)^{(a-1)/2}, the constant -1 plus
[t+a]_+ + 2 sum_n (-1)^n [t+a-2n]_+ (n = 1 .. a-1) - [t-a]_+; the form above needs no constant
and loses fewer digits. The target is x -> psi(<w, x>), |w| = d^2 in the paper's theorem with
biases up to order d^3. The period, the range and a = 6 d^3 + 1 in :func:`paper_wave` are this
package's choice in that regime: they put the flat ends 6 d standard deviations out.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from rf_limits.errors import check
from rf_limits.theory.numerics.arguments import Positive, Size, Whole, border
from rf_limits.theory.numerics.tails import panels

ORDER = 24
"""Nodes of a panel."""

_FAR = 39.0  # standard deviations beyond which a Gaussian density underflows


class TriangleWave(NamedTuple):
    """psi(<w, x>) for |w| = ``norm``, flat beyond |<w, x>| = ``half_width``.

    Attributes:
      norm: |w| > 0.
      half_width: odd integer a >= 1.
    """

    norm: float
    half_width: int

    def __call__(self, t: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Returns psi(t) by folding, t = <w, x> of any shape."""
        inside = np.clip(t, -self.half_width, self.half_width)
        return 1.0 - np.abs(np.mod(inside + 1.0, 4.0) - 2.0)


@border
def make_wave(norm: Positive, half_width: Whole) -> TriangleWave:
    """Returns a :class:`TriangleWave`.

    Raises:
      RequirementError: |w| not positive, or a half width that is not a positive odd integer.
    """
    check(half_width >= 1 and half_width % 2 == 1, "half_width", "be odd, positive", half_width)
    return TriangleWave(norm, half_width)


@border
def paper_wave(dim: Size) -> TriangleWave:
    """Returns the wave with |w| = d^2 and a = 6 d^3 + 1: 6 d^3 + 4 neurons."""
    return make_wave(float(dim**2), 6 * dim**3 + 1)


def wave_panels(
    start: float, stop: float, width: float, breaks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a Gauss-Legendre rule on [start, stop] with no kink of psi inside a panel.

    Args:
      start: lower end, at least 0.
      stop: upper end.
      width: largest panel, where less than 2; no more than one scale of the integrand.
      breaks: further panel edges; those outside [start, stop] are ignored.

    Returns:
      Nodes and weights.
    """
    kinks = np.arange(2.0 * math.ceil((start - 1.0) / 2.0) + 1.0, stop, 2.0)
    coarse = np.unique(np.concatenate([[start], kinks, [stop]]))
    if breaks is not None:
        coarse = np.union1d(coarse, breaks[(breaks > start) & (breaks < stop)])
    pieces = max(1, math.ceil(min(2.0, stop - start) / width))
    parts = np.arange(pieces) / pieces
    edges = np.append((coarse[:-1, None] + np.diff(coarse)[:, None] * parts).ravel(), stop)
    return panels(edges, ORDER)


def wave_second_moment(wave: TriangleWave) -> float:
    """Returns E psi(<w, x>)^2 for x ~ N(0, I_d), to rounding: a sum of positive terms.

    Tends to 1/3 for |w| large and a >> |w|, to |w|^2 for |w| small.
    """
    reach = min(float(wave.half_width), _FAR * wave.norm)
    nodes, weights = wave_panels(0.0, reach, min(2.0, wave.norm))
    z = nodes / wave.norm
    density = np.exp(-0.5 * z**2) / (math.sqrt(2.0 * math.pi) * wave.norm)
    flat = math.erfc(wave.half_width / (wave.norm * math.sqrt(2.0)))
    return 2.0 * float(np.sum(wave(nodes) ** 2 * density * weights)) + flat
