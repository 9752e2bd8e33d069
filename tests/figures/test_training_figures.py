"""Figures are functions of the table alone, and draw whatever part of it is there."""

import pathlib

import numpy as np
import pytest

from rf_limits.analysis.tables import final_rows
from rf_limits.figures.training import risk_against_width
from rf_limits.runs.store import RunStore
from rf_limits.studies.training import Training

QUICKSTART = pathlib.Path(__file__).parents[2] / "results" / "reference" / "quickstart"


@pytest.fixture(scope="module")
def metrics():
    """The table of the reference run."""
    return RunStore(QUICKSTART).read_metrics()


def texts(axis):
    """Legend entries."""
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_all_methods_and_scales_are_drawn(metrics):
    figure = risk_against_width(metrics)
    risk, movement, drift = figure.axes
    labels = " ".join(texts(risk))
    for name in ("RF", "NT", "NNGP", "NTK", "linearized", "alpha=0.1", "alpha=10"):
        assert name in labels
    assert all("slope" in text for axis in (movement, drift) for text in texts(axis))
    assert all(axis.get_xscale() == axis.get_yscale() == "log" for axis in figure.axes)


def test_lines_are_the_means_of_the_table(metrics):
    risk = risk_against_width(metrics).axes[0]
    line = next(line for line in risk.lines if "alpha=10" in line.get_label())
    final = final_rows(metrics)
    part = final[(final["method"] == "network") & (final["lazy_scale"] == 10)]
    np.testing.assert_allclose(line.get_ydata(), part.groupby("width")["risk"].mean())
    np.testing.assert_allclose(line.get_xdata(), [16, 128, 1024])


@pytest.mark.parametrize("kept", [["network"], ["ntk", "random_features"], ["linearized", "nngp"]])
def test_partial_tables(metrics, kept):
    part = metrics[metrics["method"].isin(kept)]
    figures = Training().figures(part)
    assert ("risk_against_time" in figures) == bool({"network", "linearized"} & set(kept))


def test_diverged_mean_is_not_drawn(metrics):
    table = metrics.copy()
    last = (table["step"] == 1000) & (table["seed"] == 0) & (table["method"] == "network")
    table.loc[last & (table["lazy_scale"] == 10) & (table["width"] == 16), "risk"] = np.nan
    risk = risk_against_width(table).axes[0]
    line = next(line for line in risk.lines if "alpha=10" in line.get_label())
    assert np.isnan(line.get_ydata()[0])
    assert np.isfinite(line.get_ydata()[1])


def test_degrees_of_the_target_are_drawn(metrics):
    """A panel per degree that the target has; lines end at the table's last means."""
    figure = Training().figures(metrics)["unlearned_by_degree"]
    titles = [axis.get_title().split(":")[0] for axis in figure.axes]
    assert titles == ["degree 0", "degree 1", "degree 2", "degree 4", "all higher degrees"]
    final = final_rows(metrics)
    part = final[(final["width"] == 1024) & (final["lazy_scale"] == 0.1)]
    part = part[part["method"] == "network"]
    expected = np.mean(part["risk_degree_2"] / part["target_degree_2"])
    np.testing.assert_allclose(figure.axes[2].lines[0].get_ydata()[-1], expected)


def test_no_degrees_no_figure(metrics):
    assert "unlearned_by_degree" not in Training().figures(metrics.filter(regex="^(?!.*_degree_)"))
