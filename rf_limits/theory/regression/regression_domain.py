r"""Where the mean risk of ridgeless regression is infinite, and where learning curves are far off.

**Infinite means.** Two points of the sphere S^{d-1} at angle theta whose labels differ by s force
an interpolant to rise by s over theta. If h(0) - h(theta) behaves like theta^q, q = min(p, 2), the
interpolant has squared norm s^2/theta^q; far from the two points it is
s theta^{-q} (K(x, x_1) - K(x, x_2)), of size s theta^{1-q}. The pair's angle has a density like
theta^{d-2}, so that the mean of the square, theta^{2-2q}, diverges if 2 q >= d + 1: with q = 2 (the
NNGP, p = 3, and smoother kernels) in dimensions 2 and 3; with q = 1 (the NTK, p = 1) in none from 2
on. The risk then has tail index (d-1)/(2q-2): 1/2 and 1, as measured (an estimate, no proof).
Labels of close points differ where there is noise, or under Gaussian inputs where a target is not
homogeneous. Under Gaussian inputs noise is divided by |x|, and E |x|^{-2} is infinite at d = 2.

The order p of the kernel's singularity at theta = 0 is read from its eigenvalues, which decay like
k^{-(d-1)-p}.
"""

import math

import numpy as np

from rf_limits.errors import check
from rf_limits.theory.spectra.spectrum import ZonalSpectrum

_SMALL_RIDGE = 1e-3  # of E K(x, x): smaller ones were not measured and count as none
_KERNELS = {
    False: {2: "0.8 to 4.6", 3: "0.8 to 1.5", 4: "0.96 to 1.3"},
    True: {2: "0.8 to 3.0", 3: "0.9 to 1.4", 4: "0.95 to 1.2"},
}
"""Mean measured over expected risks of NNGP and NTK, with a ridge or not, by dimension."""
_FEATURES = {
    False: {3: "1.05 to 6", 4: "1.0 to 2.0", 5: "1.05 to 1.3", 6: "1.0 to 1.3"}
    | dict.fromkeys((7, 8, 9), "1.0 to 1.2"),
    True: {2: "0.9 to 1.5", 3: "0.95 to 1.4", 4: "1.0 to 1.2", 5: "1.0 to 1.1", 6: "1.0 to 1.2"},
}
"""The same of ReLU features, n and N between 40 and 160."""


def kink_order(kernel: ZonalSpectrum) -> float:
    """Returns p of h(theta) = smooth + c |theta|^p at theta = 0, from the last eigenvalues.

    Args:
      kernel: spectrum of h; with 20 degrees p is found to 0.2, with 400 to 0.01 (d <= 3).

    Returns:
      p; infinite for kernels of finite rank, or where too few eigenvalues are held to tell.
    """
    degrees = np.flatnonzero(np.isfinite(kernel.log_eigenvalues))
    if kernel.tail == 0.0 or degrees.size == 0:
        return math.inf
    degrees = degrees[(degrees >= 2) & (degrees % 2 == degrees[-1] % 2)]  # a kink at pi alternates
    if degrees.size < 2:
        return math.inf
    low, high = degrees[-2:]
    middle = 0.5 * (kernel.dim - 2.0)  # expansions are in k + d/2 - 1
    fall = kernel.log_eigenvalues[low] - kernel.log_eigenvalues[high]
    return float(fall / np.log((high + middle) / (low + middle))) - (kernel.dim - 1.0)


def domain_remark(
    kernel: ZonalSpectrum,
    inputs: str,
    ridge: np.ndarray,
    fitted: np.ndarray,
    features: bool = False,
) -> str:
    """Refuses settings whose mean risk is infinite, and says where curves are known to be off.

    Args:
      kernel: spectrum of h.
      inputs: ``"gaussian"`` or ``"sphere"``.
      ridge: ridges.
      fitted: of their shape, whether without ridge a fit interpolates labels that are not a
        function of the direction.
      features: whether the fit is on random features.

    Returns:
      How far measured mean risks were from the learning curve; empty where it was within 10%.

    Raises:
      RequirementError: without ridge, ``fitted`` in dimension 2 under Gaussian inputs and for
        smooth kernels in dimensions 2 and 3, and any random features in dimension 2.
    """
    dim = kernel.dim
    none, reason = ridge == 0.0, _infinite(kernel, inputs) if np.any(fitted) else ""
    why = f"be positive in dimension {dim}: without ridge"
    draws = "random features have risks whose mean no number of draws settles"
    check(not (features and dim == 2 and np.any(none)), "ridge", f"{why} {draws}", 0.0)
    infinite = bool(reason) and bool(np.any(none & fitted))
    check(not infinite, "ridge", f"{why} the mean risk with noise is infinite, {reason}", 0.0)
    small = ridge < _SMALL_RIDGE * dim * kernel.total
    lines = []
    for name, where in (("without ridge", small), ("with ridge", ~small)):
        held = (_FEATURES if features else _KERNELS)[name == "with ridge"]
        if dim in held and np.any(where):
            lines.append(f"{held[dim]} times these {name}")
    if reason and np.any(small & fitted):
        lines.append("with noise more without bound as the ridge falls")
    if not lines:
        return ""
    return f"Mean risks measured in dimension {dim} are {', '.join(lines)} (docs/theory.md)."


def _infinite(kernel: ZonalSpectrum, inputs: str) -> str:
    """Returns why interpolation of noise has an infinite mean risk; empty where it has not."""
    if kernel.dim == 2 and inputs == "gaussian":
        return "as E |x|^-2 is"
    if kernel.dim <= 3 and 2.0 * min(kink_order(kernel), 2.0) >= kernel.dim + 0.5:
        return "since close points with different labels need steep functions"
    return ""
