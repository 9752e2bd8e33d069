"""The headline: the lazy limit, and networks on the right side of it."""

import json
import pathlib

import numpy as np
import pytest

from rf_limits.analysis.limits import limit_curve
from rf_limits.analysis.tables import final_rows
from rf_limits.figures import headline as figures
from rf_limits.figures.headline import headline
from rf_limits.runs.store import RunStore
from rf_limits.studies import config_from_json
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from tests.rounding import rounding

QUICKSTART = pathlib.Path(__file__).parents[2] / "results" / "reference" / "quickstart"


@pytest.fixture(scope="module")
def config():
    return config_from_json(json.loads((QUICKSTART / "config.json").read_text()))


def test_lines_are_the_limits_of_features_and_of_samples(config):
    """R*(p) goes on where p is above n: only methods linear in n functions stop at R*(n)."""
    curve = limit_curve(config, 21504)
    metrics = RunStore(QUICKSTART).read_metrics()
    axis = headline(metrics, curve).axes[0]
    features, samples = (line for line in axis.lines if "lazy limit" in line.get_label())
    x, y = features.get_xdata(), features.get_ydata()
    np.testing.assert_allclose(y, [lazy_limit(int(p), 20) for p in x], rtol=rounding(8))
    np.testing.assert_allclose(samples.get_ydata(), lazy_limit(512, 20), rtol=rounding(2))
    beyond = headline(metrics.assign(samples_limit=np.nan), curve).axes[0]
    assert sum("lazy limit" in line.get_label() for line in beyond.lines) == 1


def test_points_are_means_and_bars_the_extreme_seeds(config):
    metrics = RunStore(QUICKSTART).read_metrics()
    axis = headline(metrics, limit_curve(config, 21504)).axes[0]
    found = next(c for c in axis.containers if "alpha=0.1" in c.get_label())
    line, _, (bars,) = found
    final = final_rows(metrics)
    rows = final[(final["method"] == "network") & (final["lazy_scale"] == 0.1)]
    risks = rows.groupby("parameters")["risk"]
    np.testing.assert_allclose(line.get_ydata(), risks.mean())
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, np.stack([risks.min(), risks.max()], 1))
    low, high = axis.get_ylim()
    assert low < ends.min() < ends.max() < high


def test_an_unknown_limit_draws_no_line(config):
    curve = limit_curve(config.replace({"problem.dim": 1}), 100)
    assert not len(curve)
    axis = headline(RunStore(QUICKSTART).read_metrics(), curve).axes[0]
    assert not any("lazy limit" in str(line.get_label()) for line in axis.lines)


@pytest.mark.parametrize("draw", ["against_limit", "against_functions"])
def test_a_mean_with_a_diverged_seed_is_no_point(draw):
    metrics = RunStore(QUICKSTART).read_metrics().assign(cell="one")
    metrics["fixed_functions"] = metrics["width"].astype(float)
    ends = (metrics["method"] == "network") & (metrics["step"] == 1000)
    lost = ends & (metrics["width"] == 16) & (metrics["lazy_scale"] == 0.1) & (metrics["seed"] == 1)
    assert lost.sum() == 1
    damaged = metrics.copy()
    damaged.loc[lost, ["risk", "relative_risk"]] = np.nan

    def heights(table):
        limits = {"against_functions": ([],), "against_limit": ()}[draw]
        (axis,) = getattr(figures, draw)(table, *limits).axes
        lines = [line for line in axis.lines if line.get_label().startswith("network")]
        found = np.concatenate([line.get_ydata() for line in lines])
        return np.sort(found[np.isfinite(found)])

    whole = heights(metrics)
    means = metrics[ends].groupby(["width", "lazy_scale"])["relative_risk"].mean()
    np.testing.assert_allclose(whole, np.sort(means))
    np.testing.assert_allclose(heights(damaged), whole[1:])  # the lost one had the least risk
