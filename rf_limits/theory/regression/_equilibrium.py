r"""The self-consistent equations of ridge regression with a kernel or with random features.

Samples are a direction times sqrt(g), features a direction times sqrt(h), E g = E h = 1. In the
directions alone a fit with ridge delta is one with ridge delta/g_a at sample a; leaving out one
sample, and one feature, gives

.. math::
    n\,E_g\frac{g}{\rho + z g} = 1,\qquad N\,E_h \frac{h}{\omega + z h} = 1,\qquad
    z = \sum_i \frac{l_i}{l_i+\gamma},\qquad \rho\,\omega = \frac{\delta N}{\gamma},

and kappa = gamma omega/N. Lengths fixed, g = h = 1, these are the equations of Simon, Karkada,
Ghosh and Belkin (2024): rho = n - z = delta/kappa, omega = N - z. A kernel has N = infinity,
kappa = gamma and rho = delta/kappa.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from rf_limits.theory.regression._modes import Modes, bisected, exp, log
from rf_limits.theory.regression.learning_curve import Sizes
from rf_limits.theory.spectra.radial_law import RadialLaw

_ROOM = 4.0  # by which the logarithm of kappa may exceed that of fixed lengths; measured: 2
_VANISHING = 800.0  # e^-800 beside an eigenvalue, times any number of functions, is nothing


class Equilibrium(NamedTuple):
    """Solution of the equations, at s values of n, N and ridge.

    Attributes:
      log_gamma: logarithm of gamma; where gamma = 0, a value at which no gamma/l_i counts.
      gamma: effective regularization of the mean kernel.
      kappa: effective regularization of the regression on the features.
      learned: (s, K + 1) L_k = l_k/(l_k + gamma).
      missed: (s, K + 1) 1 - L_k.
      z: sum_i L_i.
      squares: sum_i L_i^2.
      products: t = sum_i L_i (1 - L_i).
      rho: the samples' slack: with fixed lengths n - z.
      slack: the features' slack c = omega E[h/(omega + z h)^2]/E[h^2/(omega + z h)^2]: with
        fixed lengths omega = N - z; infinite for a kernel.
    """

    log_gamma: np.ndarray
    gamma: np.ndarray
    kappa: np.ndarray
    learned: np.ndarray
    missed: np.ndarray
    z: np.ndarray
    squares: np.ndarray
    products: np.ndarray
    rho: np.ndarray
    slack: np.ndarray

    @property
    def drawn(self) -> np.ndarray:
        """t/(c + t), the share of L (1 - L) by which the features' draw spreads; 0 for 0/0."""
        total = self.products + self.slack
        held = (total > 0.0) & np.isfinite(total)
        return np.where(held, self.products / np.where(held, total, 1.0), 0.0)

    @property
    def fixed(self) -> np.ndarray:
        """The rest of t, t c/(c + t): z less the mean sum of squared shares; t for a kernel."""
        total = self.products + self.slack
        held = (total > 0.0) & np.isfinite(total)
        share = np.where(held, self.slack / np.where(held, total, 1.0), 1.0)
        return self.products * np.where(total > 0.0, share, 0.0)


def _solved(
    modes: Modes,
    log_gamma: np.ndarray,
    z: np.ndarray,
    collapsed: np.ndarray,
    rho: np.ndarray,
    slack: np.ndarray,
) -> Equilibrium:
    learned = special.expit(modes.eigenvalues - log_gamma[..., None])
    missed = special.expit(log_gamma[..., None] - modes.eigenvalues)
    gamma = np.where(collapsed, 0.0, np.exp(log_gamma))
    squares, products = modes.squares(log_gamma), modes.products(log_gamma)
    return Equilibrium(log_gamma, gamma, gamma, learned, missed, z, squares, products, rho, slack)


def kernel_equilibrium(modes: Modes, sizes: Sizes, law: RadialLaw) -> Equilibrium:
    """Returns the solution for a kernel; without ridge, gamma is 0 where n is at least its rank.

    Args:
      modes: eigenvalues of the kernel on the directions.
      sizes: n and delta.
      law: law of g.
    """
    n, ridge = sizes.num_train, sizes.ridge
    log_ridge = log(ridge)

    def too_small(log_kappa: np.ndarray, z: np.ndarray) -> np.ndarray:
        return n * law.balance(exp(log_ridge - log_kappa), z) < 1.0

    high = np.logaddexp(modes.log_trace, log_ridge) - np.log(n) + _ROOM
    log_gamma = modes.log_root(too_small, high)
    collapsed = (ridge == 0.0) & (n >= modes.rank)
    log_gamma = np.where(collapsed, modes.least_eigenvalue - _VANISHING, log_gamma)
    z = np.where(collapsed, modes.rank, modes.degrees_of_freedom(log_gamma))
    rho = np.where(ridge > 0.0, exp(log_ridge - log_gamma), 0.0)
    left = np.exp(log(z) + law.log_ratio(log(np.maximum(n - z, 0.0)) - log(z)))
    rho = np.where(collapsed, left, rho)
    return _solved(modes, log_gamma, z, collapsed, rho, sizes.num_features)


def features_equilibrium(
    modes: Modes, sizes: Sizes, law: RadialLaw, features: RadialLaw
) -> Equilibrium:
    """Returns the solution for random features.

    Without ridge, gamma is 0 where min(n, N) is at least the rank.

    Args:
      modes: eigenvalues of the mean kernel on the directions.
      sizes: n, N and delta.
      law: law of g.
      features: law of h.
    """
    n, count, ridge = sizes.num_train, sizes.num_features, sizes.ridge
    log_product, least = log(ridge) + np.log(count), np.minimum(n, count)

    def omega(slack: np.ndarray, z: np.ndarray) -> np.ndarray:
        log_z = np.log(np.maximum(z, 1e-290))
        return exp(log_z + features.log_ratio(log(slack) - log_z))

    def too_small(log_gamma: np.ndarray, z: np.ndarray) -> np.ndarray:
        left = count - z
        held = left > 0.0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            rho = exp(log_product - log_gamma) / omega(np.where(held, left, count), z)
            return ~held | (n * law.balance(rho, z) < 1.0)

    high = np.logaddexp(modes.log_trace, log_product - np.log(least)) - np.log(0.5 * least)
    log_gamma = modes.log_root(too_small, high + _ROOM)
    collapsed = (ridge == 0.0) & (least >= modes.rank)
    log_gamma = np.where(collapsed, modes.least_eigenvalue - _VANISHING, log_gamma)

    z = np.where(ridge > 0.0, modes.degrees_of_freedom(log_gamma), np.minimum(least, modes.rank))
    rho, omega_ = _slacks(sizes, z, log_product - log_gamma, law, features)
    found = _solved(modes, log_gamma, z, collapsed, rho, omega_)
    if not features.is_fixed:
        over = (omega_[..., None] + z[..., None] * features.nodes) ** 2
        ratio = features.mean(features.nodes / over) / features.mean(features.nodes**2 / over)
        found = found._replace(slack=omega_ * ratio)
    return found._replace(kappa=found.gamma * omega_ / count)


def _slacks(
    sizes: Sizes, z: np.ndarray, log_both: np.ndarray, law: RadialLaw, features: RadialLaw
) -> tuple[np.ndarray, np.ndarray]:
    """Returns rho and omega, whose product is exp(``log_both``), by bisection."""
    n, count, ridge = sizes.num_train, sizes.num_features, sizes.ridge
    least, log_z = np.minimum(n, count), log(z)

    def logs(slack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns log rho and log omega where min(n, N) - z, whose difference cancels, is slack."""
        odds = log(slack + (n - least)) - log_z, log(slack + (count - least)) - log_z
        return log_z + law.log_ratio(odds[0]), log_z + features.log_ratio(odds[1])

    def more(log_slack: np.ndarray) -> np.ndarray:
        rho, omega = logs(np.exp(log_slack))
        return rho + omega < log_both

    slack = np.where(ridge > 0.0, np.exp(bisected(more, np.log(least))), least - z)
    rho, omega = logs(slack)
    return np.exp(rho), np.exp(omega)
