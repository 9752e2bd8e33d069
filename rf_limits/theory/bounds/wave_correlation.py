r"""Correlations of the triangle wave with ReLU features, where plain sums keep no digit.

With s = |w|, z_1 = <w, x>/s and z_2 = <v, x>/|v| of correlation c, beta = b/|v|, and T the
infinite wave (8/pi^2) sum_m (-1)^m sin(k_m t)/(2m+1)^2, k_m = (2m+1) pi/2,

.. math::
    E\,T(s z_1)\,\mathrm{relu}(|v| z_2 + b) = |v| \frac{8}{\pi^2} \sum_m
    \frac{(-1)^m}{(2m+1)^2} e^{-k_m^2 s^2 (1-c^2)/2}\, \mathrm{Im}\,E e^{i k_m s c z}(z+\beta)_+,

.. math::
    \mathrm{Im}\,E\,e^{i\omega z} (z + \beta)_+ = 1[\beta > 0]\,\omega e^{-\omega^2/2}
    - \mathrm{sgn}(\beta)\,\varphi(\beta)\,\mathrm{Im}\,e^{i|\beta|\omega}
      \big(1 + i\sqrt\pi\,\zeta\,w(\zeta)\big), \qquad \zeta = (\omega + i|\beta|)/\sqrt 2,

(half the first term at beta = 0), w the Faddeeva function: the Gaussian integral shifted to
z + i omega. Exponentials are kept as logarithms. psi differs from T only beyond |t| = a, by an
odd function of one sign there: its correlation is an integral of positive terms. The first
("linear"), second ("kink") and third ("end") parts are added with signs and logarithms.
"""

import math

import numpy as np
from jaxtyping import Float
from scipy import special

from rf_limits.errors import check
from rf_limits.theory.bounds.triangle_wave import ORDER, TriangleWave, wave_panels
from rf_limits.theory.numerics.arguments import Dimension, Finite, Positive, Vector, border
from rf_limits.theory.numerics.tails import legendre, panels

_HARMONICS = 20_000
_SERIES_FROM = 8.0
_SERIES_TERMS = 22
_NEGLIGIBLE = 45.0  # exponents this far below the leading one are dropped
_LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


def _kink_factor(zeta: np.ndarray) -> np.ndarray:
    """Returns 1 + i sqrt(pi) zeta w(zeta) in the upper half plane, without its cancellation."""
    value = 1.0 + 1j * math.sqrt(math.pi) * zeta * special.wofz(zeta)
    far = np.abs(zeta) >= _SERIES_FROM
    inverse = 1.0 / (2.0 * zeta[far] ** 2)
    series = np.ones_like(inverse)
    for n in range(_SERIES_TERMS, 0, -1):
        series = 1.0 + (2 * n + 1) * inverse * series
    value[far] = -inverse * series
    return value


def _signed_log(value: float, exponent: float) -> tuple[float, float]:
    """Returns (sign, log|.|) of value e^exponent."""
    return float(np.sign(value)), (math.log(abs(value)) + exponent if value else -math.inf)


def _harmonics(y: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the k_m, and (-1)^m/(2m+1)^2 e^{-k_m^2 y^2/2} in units of the first exponential."""
    cut = math.sqrt(2.0 * _NEGLIGIBLE) / (math.pi * y) + 2.0 if y > 0.0 else math.inf
    m = np.arange(int(min(_HARMONICS, cut)))
    k = (2.0 * m + 1.0) * (0.5 * math.pi)
    damping = np.exp(-0.5 * (k**2 - k[0] ** 2) * y**2)
    return k, (-1.0) ** m / (2.0 * m + 1.0) ** 2 * damping


def _kink_part(s: float, cosine: float, sine: float, beta: float) -> tuple[float, float]:
    """Returns the part that a flat feature has too: e^{-k^2 s^2 sine^2/2}, (sign, log)."""
    if beta == 0.0:
        return 0.0, -math.inf
    y = s * sine
    k, weights = _harmonics(y)
    omega = k * (s * cosine)
    inner = _kink_factor((omega + 1j * abs(beta)) / math.sqrt(2.0))
    inner = (np.exp(1j * abs(beta) * omega) * inner).imag
    total = float(np.sum(weights * inner))
    exponent = -0.5 * (k[0] * y) ** 2 - 0.5 * beta**2 - _LOG_ROOT_2PI
    return _signed_log(-math.copysign(8.0 / math.pi**2, beta) * total, exponent)


def _linear_part(s: float, cosine: float, beta: float) -> tuple[float, float]:
    """Returns the feature's linear half, e^{-k^2 s^2/2} whatever the angle, (sign, log)."""
    share = 1.0 if beta > 0.0 else (0.5 if beta == 0.0 else 0.0)
    k, weights = _harmonics(s)
    total = float(np.sum(weights * k)) * s * cosine
    return _signed_log(share * 8.0 / math.pi**2 * total, -0.5 * (k[0] * s) ** 2)


def _end_part(wave: TriangleWave, cosine: float, sine: float, beta: float) -> tuple[float, float]:
    """Returns E (psi - T) relu(z_2 + beta), (sign, log)."""
    s, a = wave.norm, float(wave.half_width)
    stop = math.sqrt(a**2 + 2.0 * _NEGLIGIBLE * s**2)
    # The conditional mean bends at z = |beta|/c over a width of sine/c.
    steep, spread = abs(cosine) + 1e-300, np.array([0.0, 1.0, 3.0, 6.0, 12.0])
    spread = np.concatenate([-spread, spread]) * sine
    breaks = s * np.minimum((abs(beta) + spread) / steep, 1e300)
    nodes, weights = wave_panels(a, stop, min(2.0, s, 8.0 * s**2 / a), breaks)
    missing = 2.0 - np.abs(np.mod(nodes - a, 4.0) - 2.0)  # 1 - |psi - (psi - T)| beyond a
    reach = cosine * nodes / s
    delta = reach / max(sine, 1e-300)
    # E[relu | z_1 = z] - E[relu | z_1 = -z], half by half where the two are close
    above, below = beta + reach, beta - reach
    rise = _smoothed(above, sine) - _smoothed(below, sine)
    close = np.abs(delta) <= 1.0
    if np.any(close):
        nodes_1, weights_1 = legendre(ORDER)
        points = (beta + reach[close, None] * nodes_1) / max(sine, 1e-300)
        rise[close] = reach[close] * (special.ndtr(points) @ weights_1)
    density = np.exp(-0.5 * (nodes - a) * (nodes + a) / s**2) / s
    total = float(np.sum(missing * rise * density * weights))
    sign = (-1.0) ** ((wave.half_width - 1) // 2)
    return _signed_log(sign * total, -0.5 * (a / s) ** 2 - _LOG_ROOT_2PI)


def _smoothed(mean: np.ndarray, sine: float) -> np.ndarray:
    """Returns E relu(mean + sine z)."""
    if sine == 0.0:
        return np.maximum(mean, 0.0)
    x = mean / sine
    return mean * special.ndtr(x) + sine * np.exp(-0.5 * x**2 - _LOG_ROOT_2PI)


def _log_correlation(
    wave: TriangleWave, cosine: float, sine: float, beta: float
) -> tuple[float, float]:
    """Returns (sign, log|.|) of E psi relu(z_2 + beta)."""
    parts = [
        _kink_part(wave.norm, cosine, sine, beta),
        _linear_part(wave.norm, cosine, beta),
        _end_part(wave, cosine, sine, beta),
    ]
    largest = max(log for _, log in parts)
    if largest == -math.inf:
        return 0.0, -math.inf
    return _signed_log(sum(sign * math.exp(log - largest) for sign, log in parts), largest)


@border
def log_wave_correlation(
    wave: TriangleWave,
    cosine: Vector,
    norm: Positive = 1.0,
    bias: Finite = 0.0,
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Returns the sign and logarithm of E psi(<w, x>) relu(<v, x> + b) for x ~ N(0, I_d).

    Args:
      wave: psi and |w|.
      cosine: (n,) cosines between v and w, in [-1, 1]; nothing else depends on d.
      norm: |v| > 0.
      bias: b.

    Returns:
      (n,) signs and (n,) natural logarithms of absolute values: correlations far below the
      smallest float keep their digits. About 1e-12 relative to the largest of the three parts
      of the module docstring; less only where the parts cancel or, for |b/v| above 8, in
      proportion to a small cosine.

    Raises:
      RequirementError: a length that is not positive, or a cosine beyond [-1, 1].
    """
    check(bool(np.all(np.abs(cosine) <= 1.0)), "cosine", "lie in [-1, 1]", cosine)
    pairs = [
        _log_correlation(wave, float(c), math.sqrt(float((1.0 - c) * (1.0 + c))), bias / norm)
        for c in cosine
    ]
    signs, logs = np.reshape(pairs, (-1, 2)).T
    return signs, logs + math.log(norm)


@border
def log_rms_wave_correlation(
    wave: TriangleWave,
    dim: Dimension,
    norm: Positive = 1.0,
    bias: Finite = 0.0,
) -> float:
    """Returns the log of the root mean square of E psi(<w, x>) relu(<v, x> + b) over w or v.

    The direction of w (or of v) is uniform on the sphere: an integral over their angle with
    density proportional to sin(angle)^{d-2}, by Gauss-Legendre panels that shrink towards
    angle 0, where the correlation lives; psi is odd, so angles above pi/2 repeat it.

    Args:
      wave: psi and |w|.
      dim: dimension d >= 2.
      norm: |v| > 0.
      bias: b.

    Returns:
      log sqrt(E C^2), exact to about 1e-10; for a bias and |w| = d^2 about d^{-(d+3)}.

    Raises:
      RequirementError: d < 2 or a length that is not positive.
    """
    smallest = min(1e-3 / wave.norm, 0.1)
    count = math.ceil(2.0 * math.log2(0.5 * math.pi / smallest))
    edges = np.append(0.0, 0.5 * math.pi * 2.0 ** (-0.5 * np.arange(count, -1, -1)))
    angles, weights = panels(edges, ORDER)
    log_weights = np.log(weights) + (dim - 2) * np.log(np.sin(angles))
    beta = bias / norm
    logs = np.array(
        [_log_correlation(wave, math.cos(t), math.sin(t), beta)[1] for t in angles.tolist()]
    )
    log_total = 0.5 * math.log(math.pi) + math.lgamma(0.5 * (dim - 1)) - math.lgamma(0.5 * dim)
    mean_square = special.logsumexp(log_weights + 2.0 * logs) + math.log(2.0) - log_total
    return 0.5 * float(mean_square) + math.log(norm)
