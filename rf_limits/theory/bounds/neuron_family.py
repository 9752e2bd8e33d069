"""The family of one neuron, sigma(<w*, x> + b*) with w* uniform of one length, x ~ N(0, I_d)."""

from typing import NamedTuple

from rf_limits.errors import check
from rf_limits.theory.spectra.hermite import Activation
from rf_limits.theory.spectra.levels import Homogeneous, least, sorted_limit

_MOST_FEATURES = 10**300  # sought where it has to bisect
_ORDERS = {"step": 0, "relu": 1}


class NeuronFamily(NamedTuple):
    """A neuron of uniformly random direction; its eigenvalues are those of a zonal kernel.

    Attributes:
      dim: dimension d >= 2.
      norm: |w*|.
      bias: b*.
      activation: sigma.
    """

    dim: int
    norm: float = 1.0
    bias: float = 0.0
    activation: Activation = "relu"

    @property
    def _order(self) -> int | None:
        """Returns the degree in |w*| of a neuron that is homogeneous without bias."""
        return _ORDERS.get(self.activation) if isinstance(self.activation, str) else None

    def _size(self, order: int) -> float:
        """Returns |w*|^{2 order}, where float64 holds it."""
        kept = order == 0 or 1e-150 <= self.norm <= 1e150
        wanted = "be from 1e-150 to 1e150, so that float64 holds its square"
        check(kept, "norm", wanted, self.norm)
        return self.norm ** (2 * order)

    def limit(self, p: int, negligible: float = 0.0) -> float:
        """Returns R*(p); limits certainly below ``negligible`` need not be resolved.

        Raises:
          RequirementError: a limit that float64 cannot resolve.
        """
        order = self._order
        if order is None:
            return sorted_limit(p, self.dim, self.activation, self.bias, self.norm, negligible)
        size = self._size(order)
        if self.bias == 0.0:
            return size * Homogeneous(order, self.dim).limit(p)
        beta = self.bias / self.norm
        return size * sorted_limit(p, self.dim, self.activation, beta, 1.0, negligible / size)

    def features(self, risk: float) -> int:
        """Returns the least p with R*(p) at most the absolute ``risk``.

        Raises:
          RequirementError: a risk that cannot be resolved, or that 1e300 features do not reach.
        """
        order = self._order
        if order is not None and self.bias == 0.0:
            reduced = risk / self._size(order)
            check(reduced >= 1e-200, "risk", "be at least 1e-200 norm^2", risk)
            return Homogeneous(order, self.dim).features(reduced)

        def reached(p: int) -> bool:
            check(p <= _MOST_FEATURES, "risk", "be reachable with 1e300 features", risk)
            return self.limit(p, negligible=risk) <= risk

        return least(reached)
