"""What is reported of a predictor that was fitted in one solve.

A fit that is too ill-conditioned to be trusted (:class:`rf_limits.regression.dense.Fit`) is
refused: its risk is NaN, its training loss and condition number stay.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.devices.compiling import jit_quickly
from rf_limits.devices.processes import on_host
from rf_limits.errors import RequirementError
from rf_limits.measure.risk import Risk
from rf_limits.models import Params
from rf_limits.regression.dense import Fit, kernel_regression


class Regression(NamedTuple):
    """A fitted predictor and what was measured of it.

    Attributes:
      train_loss: mean squared error on the training set.
      risk: population risk and its standard error; NaN where the fit is refused.
      condition_number: of the system solved.
      backward_error: with which it was solved.
      ridge_needed: where the fit is refused, a ridge with which it would not be; else 0.
      solution: what the predictor is made of: (N,) output weights of RF, the change of all
        parameters of NT, (n,) coefficients of kernel sections.
    """

    train_loss: Float[Array, ""]
    risk: Risk
    condition_number: Float[Array, ""]
    backward_error: Float[Array, ""]
    ridge_needed: Float[Array, ""]
    solution: Array | Params

    def columns(self) -> dict[str, float]:
        """Returns the columns of its row in the results table."""
        *measured, _ = self
        numbers = dict(zip(self._fields, on_host(measured), strict=False))
        risk = numbers.pop("risk").columns()
        return {name: float(value) for name, value in (numbers | risk).items()}

    def check_solved(self, key: str) -> None:
        """Raises unless the fit was solved.

        Raises:
          RequirementError: it was refused; the line names its method.
        """
        needed = float(self.ridge_needed)
        if needed > 0.0:
            raise RequirementError(
                f"predictors.ridge must be above {needed:.2g} for {key}, whose fit was refused as "
                "too ill-conditioned; its metrics say so."
            )


def regression(fit: Fit, train_loss: Array, risk: Risk, solution: Array | Params) -> Regression:
    """Returns what is reported of a fit: no risk where it is refused."""
    solved = fit.is_solved
    risk = jax.tree.map(lambda value: jnp.where(solved, value, jnp.nan), risk)
    needed = jnp.where(solved, 0.0, fit.ridge_needed)
    return Regression(train_loss, risk, fit.condition_number, fit.backward_error, needed, solution)


def mean_square(error: Array) -> Array:
    """Returns the mean of squares."""
    return jnp.mean(error**2)


solve_kernel = jit_quickly(kernel_regression)
"""One compiled program for all kernels on as many points, whatever the width."""
