"""Losses of infinitely wide networks over time: of ensembles on data, and on the population."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from rf_limits.analysis.tables import degree_names
from rf_limits.config.training import TrainingConfig
from rf_limits.methods import NTK
from rf_limits.models.ensemble_loss import ensemble_loss
from rf_limits.models.zonal_kernels import zonal_kernels
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.theory import zonal_spectrum
from rf_limits.theory.dynamics.lazy_dynamics import population_dynamics
from rf_limits.training.run import TrainingRun

POPULATION = "population"
"""The part that is trained on the population; the others have the keys of kernels."""
THEORY = "theory"
"""The value of column ``method`` in rows of theory."""
_FINE = 4  # theory is given at this many times per log point
_DEGREES = 200


def theory_rows(part: str, config: TrainingConfig, run: TrainingRun) -> pd.DataFrame:
    """Computes rows of the infinite-width theory over the times of the widest network.

    Args:
      part: key of a kernel, whose ensemble is computed, or :data:`POPULATION`.
      config: of the training run.
      run: the training run, prepared.
    """
    scales = config.model.lazy_scales
    count = _FINE * config.training.log_points
    steps = np.concatenate([[0.0], np.geomspace(1.0, config.training.steps, count)])
    tables = []
    for rate, scale in zip(run.widths[-1].learning_rates[0], scales, strict=True):
        times = float(rate) * steps
        if part == POPULATION:
            table = _population_rows(config, run, times)
        else:
            table = _ensemble_rows(run, times, part, float(scale))
        tables.append(table.assign(lazy_scale=scale) if len(scales) > 1 else table)
    return pd.concat(tables, ignore_index=True)


def _population_rows(config: TrainingConfig, run: TrainingRun, times: np.ndarray) -> pd.DataFrame:
    network, dim = run.widths[-1].network, config.problem.dim
    kernel = zonal_kernels(network, dim, _DEGREES, config.model.trainable)[NTK.key]
    target = zonal_spectrum(dim, _DEGREES)
    flow = parse_optimizer(config.training.optimizer).is_gradient_flow
    rate = None if flow else float(run.widths[-1].learning_rates[0, 0])
    risks = population_dynamics(kernel, target, times, norm=config.problem.norm, learning_rate=rate)
    degrees = risks.degrees[:, : config.measure.max_degree + 1]
    rest = (risks.risk - degrees.sum(axis=1))[:, None]
    names = [n for n in degree_names(config.measure.max_degree) if n.startswith("risk")]
    table = pd.DataFrame(np.concatenate([degrees, rest], axis=1), columns=names)
    return table.assign(method=THEORY, time=times, risk=risks.risk)


def _ensemble_rows(run: TrainingRun, times: np.ndarray, part: str, alpha: float) -> pd.DataFrame:
    limit = run.widths[-1].infinite
    data = {name: value[0] for name, value in run.seeded.data._asdict().items()}
    columns: dict[str, Any] = {"method": THEORY, "time": times}
    for name, x, y in (("train_loss", "x_train", "y_train"), ("test_loss", "x_test", "y_test")):
        loss = ensemble_loss(
            limit.network,
            data["x_train"],
            data["y_train"],
            data[x],
            data[y],
            jnp.asarray(times),
            method=part,
            trainable=limit.trainable,
            alpha=alpha,
            supplier=limit.supplier,
        )
        columns |= {name: np.asarray(loss.mean), f"{name}_std": np.asarray(loss.std)}
    return pd.DataFrame(columns)
