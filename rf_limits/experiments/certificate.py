"""The lazy limit beside every measured risk: which networks did what no lazy method can.

R*(p) bounds the expected risk of every predictor in the span of p functions fixed before the
target's direction is drawn (docs/theory.md, "The lazy limit"): fixed features of number p, and
any kernel method on n = p samples, whatever the kernel. A trained network below
R*(min(parameters, samples)) has learned features.
"""

from typing import Any

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from rf_limits.theory.lazy_limit import lazy_limit

SURE = 3.0
"""Standard errors below the lazy limit from which on a mean is a certificate."""


def has_lazy_limit(config: ConfigDict) -> bool:
    """Whether the bound is known for the config's target and inputs.

    It is for a single neuron under Gaussian inputs, and on the sphere without bias, where
    risks are the same by homogeneity.
    """
    problem = config.problem
    known = problem.inputs == "gaussian" or problem.bias == 0.0
    return problem.target == "single_neuron" and problem.dim >= 2 and known


def _samples(config: ConfigDict, method: str, step: Any) -> float | int:
    """Training samples a method has seen."""
    if method in ("network", "linearized"):
        if config.data.kind == "population":
            return np.inf
        if config.data.kind == "stream":
            return step * config.training.batch_size
    return config.data.num_train


def num_fixed_functions(config: ConfigDict, row: dict[str, Any]) -> int:
    """P of the bound for one row of the metrics table.

    The smaller of samples and features: all parameters for a network, its linearization and
    NT; N for RF; samples alone for kernels. One more where f_0 is not taken off, since f_0 is
    fixed too.
    """
    method = row["method"]
    features = {"random_features": row["width"], "nngp": np.inf, "ntk": np.inf}
    count = features.get(method, row["parameters"])
    count = min(count, _samples(config, method, row["step"]))
    trained = method in ("network", "linearized")
    return int(count) + int(trained and config.model.centring == "none")


def add_lazy_limit(metrics: pd.DataFrame, config: ConfigDict) -> pd.DataFrame:
    """The metrics table with its ``lazy_limit`` column filled, NaN where no bound is known."""
    metrics = metrics.copy()
    if not has_lazy_limit(config):
        metrics["lazy_limit"] = np.nan
        return metrics
    counts = [num_fixed_functions(config, row) for row in metrics.to_dict("records")]
    problem = config.problem
    known = {
        p: float(lazy_limit(p, problem.dim, norm=problem.norm, bias=problem.bias))
        for p in sorted(set(counts))
    }
    metrics["lazy_limit"] = [known[p] for p in counts]
    return metrics


def limit_curve(config: ConfigDict, most: int, points: int = 120) -> pd.DataFrame:
    """R*(p) against the number p of fixed functions; no rows where no bound is known.

    Args:
      config: of a training run.
      most: the largest p.
      points: how many p, evenly on a logarithmic axis.

    Returns:
      Columns ``num_features`` and ``risk``.
    """
    counts = np.unique(np.geomspace(1, max(most, 2), points).astype(int))
    if not has_lazy_limit(config):
        counts = counts[:0]
    problem = config.problem
    risks = lazy_limit(counts, problem.dim, norm=problem.norm, bias=problem.bias)
    return pd.DataFrame({"num_features": counts, "risk": risks})


def certificate(row: dict[str, Any]) -> dict[str, Any]:
    """What a summary row says of the bound: below it or not, and by how many standard errors.

    The bound is on the expectation over draws, so it is the mean over seeds that counts; with
    one seed there is no standard error and the number is null.
    """
    limit, mean = row.get("lazy_limit"), row.get("risk")
    if limit is None or mean is None or not np.isfinite(mean):
        return {}
    error = row.get("risk_se")
    margin = None if not error else (limit - mean) / error
    return {"below_lazy_limit": bool(mean < limit), "lazy_limit_margin_se": margin}


def certified(row: dict[str, Any]) -> bool:
    """Whether a summary row's mean is below the lazy limit by :data:`SURE` standard errors."""
    margin = row.get("lazy_limit_margin_se")
    return bool(row.get("below_lazy_limit")) and margin is not None and margin >= SURE
