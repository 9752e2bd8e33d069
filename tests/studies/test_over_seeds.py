"""Nothing is averaged but seeds: what differs is a row, a line or a panel with its label."""

import itertools
import json
import pathlib
import re

import numpy as np
import pandas as pd
import pytest

from rf_limits import default_config
from rf_limits.analysis.seeds import PooledError, check_told_apart, over_seeds
from rf_limits.analysis.tables import final_rows
from rf_limits.config import frozen
from rf_limits.methods import RANDOM_FEATURES
from rf_limits.runs.store import RunStore, plain
from rf_limits.studies import chizat, config_from_json, ntk_curves, prepare, sample_complexity
from rf_limits.studies.asked_and_needed import ESTIMATE, practice
from rf_limits.studies.hardness.overview import overview
from rf_limits.studies.infinite_width_theory import THEORY
from rf_limits.studies.training import Training
from rf_limits.table import short_number
from rf_limits.training.result import Result
from tests.rounding import rounding

QUICK = pathlib.Path(__file__).parents[2] / "results" / "quick"
SCALED = ("weight_movement", "kernel_drift", "linearization_gap", "rf_gap", "ntk_gap")
"""Measurements that are multiplied in the second copy of a table."""
RISKS = ("risk", "relative_risk", "train_loss", "test_loss")
NUMBER = re.compile(r"(?<![\w.^])-?\d[\d.]*(?:e-?\d+)?")


def committed(name):
    """A quick result."""
    return RunStore(QUICK / name).read_metrics()


def copy_with(metrics, factor, **fields):
    """A table of the same runs, measured ``factor`` times as large, with other values of fields.

    Args:
      metrics: the table.
      factor: of what is measured.
      **fields: name and value; rows without one keep having none.
    """
    found = metrics.copy()
    for name, value in fields.items():
        found.loc[found[name].notna(), name] = value
    for name in (*SCALED, *RISKS):
        if name in found:
            found[name] = factor * found[name]
    return found


def study_of(name):
    """The config of a quick result."""
    return config_from_json(RunStore(QUICK / name).read_json("config.json"))


def heights(figures):
    """What every line of every figure is at, but for guides for the eye."""
    axes = [axis for figure in figures.values() for axis in figure.axes]
    lines = [line for axis in axes for line in axis.lines]
    lines = [line for line in lines if "N^{-1/2}" not in str(line.get_label())]
    return {tuple(np.asarray(line.get_ydata(), float)) for line in lines}


def scales_apart(metrics):
    """Lazy scale 1, scale 4, and both in one table; with what has another scale or none."""
    told = metrics["method"].isin(["theory", "estimate"])
    told &= metrics.get("part", pd.Series("", index=metrics.index)).ne("population")
    own = metrics["lazy_scale"].eq(1.0) | told
    first, others = metrics[own].copy(), metrics[~own]
    first["lazy_scale"] = 1.0
    second = copy_with(first, 3.0, lazy_scale=4.0)
    return tuple(
        pd.concat(tables, ignore_index=True)
        for tables in ((first, others), (second, others), (first, second, others))
    )


def test_more_than_seeds_is_refused():
    table = pd.DataFrame(
        {
            "width": [8, 8, 16, 16],
            "lazy_scale": [0.1, 10.0, 0.1, 0.1],
            "seed": [0, 0, 0, 1],
            "risk": [1.0, 2.0, 3.0, 5.0],
        }
    )
    with pytest.raises(PooledError, match="2 agree in them and differ in lazy_scale, risk"):
        over_seeds(table, "width")
    found = over_seeds(table, ["width", "lazy_scale"])["risk"].mean()
    assert list(found) == [1.0, 2.0, 4.0]
    assert found.index.to_list() == [(8, 0.1), (8, 10.0), (16, 0.1)]
    with pytest.raises(PooledError, match="differ in nothing"):
        over_seeds(pd.concat([table, table]), ["width", "lazy_scale"])


def test_rows_without_a_seed_or_a_key_are_not_mixed():
    theory = pd.DataFrame({"width": [8, 8], "seed": [pd.NA, pd.NA], "risk": [1.0, 2.0]})
    with pytest.raises(PooledError, match="differ in risk"):
        over_seeds(theory, "width")
    kernels = pd.DataFrame(
        {"width": [pd.NA, pd.NA], "seed": [0, 0], "method": ["ntk", "nngp"], "risk": [1.0, 2.0]}
    )
    assert len(over_seeds(kernels, "width")["risk"].mean()) == 0  # left out, as by groupby
    with pytest.raises(PooledError, match="differ in method, risk"):
        over_seeds(kernels, "width", dropna=False)
    check_told_apart(kernels, ["method"])


def test_labels_that_are_left_out_are_refused():
    """Final rows of a study without its labels were those of one member, silently."""
    metrics = committed("sample_complexity")
    measured = metrics[metrics["seed"].notna()]
    with pytest.raises(PooledError, match="num_train"):
        final_rows(measured)
    assert len(final_rows(measured, sample_complexity.LABELS))


@pytest.mark.parametrize("name", ["lazy_width", "ntk_curves", "coupling", "polynomials"])
def test_two_lazy_scales_are_two_rows_and_two_lines(name):
    """Numbers and lines of both together are those of each alone."""
    study = study_of(name)
    first, second, both = scales_apart(committed(name))
    choices = RunStore(QUICK / name).read_json("run.json")["choices"]
    if name == "ntk_curves":  # population stays one: compare the others
        first, second, both = (t[t["part"] != "population"] for t in (first, second, both))
    else:
        drawn = heights(study.figures(both))
        for one in (first, second):
            assert {y for y in heights(study.figures(one)) if "nan" not in str(y)} <= drawn
    summary, (_, _, rows), lines = study.findings(Result(both, choices))
    found = [study.findings(Result(one, choices)) for one in (first, second)]
    alone = [one.table.rows for one in found]
    assert len(rows) == sum(map(len, alone))
    words = len(study.labels) if name != "polynomials" else 1
    assert sorted(map(str, (row[words:] for row in rows))) == sorted(
        map(str, (row[words:] for row in itertools.chain(*alone)))
    )
    assert all("alpha" not in str(row) for row in itertools.chain(*alone))
    assert sum("alpha = 1'" in str(row) for row in rows) == len(rows) // 2
    assert sum("alpha = 4'" in str(row) for row in rows) == len(rows) // 2
    said = [line.replace(", alpha = 1", "").replace(", alpha = 4", "") for line in lines]
    for one in found:
        for line in one.remarks:
            assert line in said
    json.dumps(plain(summary), allow_nan=False)


def test_ntk_curves_have_a_row_of_panels_by_scale():
    first, second, both = scales_apart(committed("ntk_curves"))
    found = ntk_curves.ntk_curves(both)
    titles = [axis.get_title() for axis in found.axes]
    assert [title.rpartition("alpha = ")[2] for title in titles] == ["1"] * 4 + ["4"] * 4
    for one, axes in ((first, found.axes[:4]), (second, found.axes[4:])):
        alone = ntk_curves.ntk_curves(one).axes
        for axis, other in zip(axes, alone, strict=True):
            for line, same in zip(axis.lines, other.lines, strict=True):
                np.testing.assert_array_equal(line.get_ydata(), same.get_ydata())


def test_means_of_lazy_width_are_those_of_the_rows():
    """By hand, from the rows of one scale."""
    _, _, both = scales_apart(committed("lazy_width"))
    lines = study_of("lazy_width").findings(Result(both, {})).remarks
    rows = both[(both["method"] == "network") & (both["width"] == both["width"].max())]
    rows = rows[(rows["step"] == rows["step"].max()) & (rows["activation"] == "relu")]
    for scale in (1.0, 4.0):
        own = rows[(rows["lazy_scale"] == scale) & (rows["parameterization"] == "ntk")]
        mean = short_number(float(np.mean(own["weight_movement"].to_numpy())))
        start = f"relu, ntk, alpha = {scale:g}, N = {both['width'].max()}: movement {mean},"
        assert sum(line.startswith(start) for line in lines) == 1


def test_two_widths_of_samples_are_two_rows_and_two_panels():
    """The entry: NT of two widths was one number, "means over 2 training sets"."""
    metrics = committed("sample_complexity")
    wide = copy_with(metrics[metrics["width"].notna()], 0.1, width=256)
    both = pd.concat([metrics, wide], ignore_index=True)
    study = study_of("sample_complexity")
    _, heads, cells = study.findings(Result(both, {})).table
    assert heads[:3] == ["d", "n", "N"]
    final = both[
        both["seed"].notna() & ~both["time"].lt(both["time"].where(both["step"] > 0).max())
    ]
    for dim, n, width, *values in cells:
        own = final[(final["dim"] == int(dim)) & (final["num_train"] == int(n))]
        names = {"RF": "random_features", "NT": "tangent_features", "NNGP": "nngp", "NTK": "ntk"}
        for head, value in zip(heads[3:], values, strict=True):
            if head not in names:
                continue
            rows = own[(own["method"] == names[head])]
            rows = rows[rows["width"].isna() | (rows["width"] == int(width))]
            rows = rows[rows["time"].isna() | np.isinf(rows["time"])]
            assert len(rows) == metrics["seed"].nunique()
            assert value == short_number(float(np.mean(rows["relative_risk"].to_numpy())))
    single = study.findings(Result(metrics, {})).table
    assert single[1] == [head for head in heads if head != "N"]
    assert [[*row[:2], *row[3:]] for row in cells[::2]] == single[2]
    figures = study.figures(both)
    titles = [axis.get_title() for axis in figures["sample_complexity"].axes]
    assert titles == ["d = 10, N = 64", "d = 10, N = 256"]
    table = sample_complexity.agreement(both, (RANDOM_FEATURES,))
    assert sorted(set(table["width"])) == [64, 256]
    narrow, widest = (table[table["width"] == width] for width in (64, 256))
    ratio = widest["measured"].to_numpy() / narrow["measured"].to_numpy()
    np.testing.assert_allclose(ratio, 0.1, rtol=rounding(2 + metrics["seed"].nunique()))


def test_networks_of_several_widths_have_columns_of_hardness():
    rows = [
        {"method": "network", "dim": 3, "target_bias": "zero", "seed": s, "num_features": n}
        | {"reached": 1.0, "steps": 10 * n + s, "max_weight": 1.0 / n}
        for n in (4, 16)
        for s in range(3)
    ]
    columns = ["log10_features", "log10_size_times_weight"]
    table = pd.DataFrame(rows).assign(**dict.fromkeys(columns, np.nan))
    (row,) = overview(table).to_dict("records")
    assert row["network_4_steps"] == 41.0
    assert row["network_16_steps"] == 161.0
    assert row["network_16_max_weight"] == 1.0 / 16.0
    (row,) = overview(table[table["num_features"] == 4]).to_dict("records")
    assert row["network_steps"] == 41.0


def test_limits_are_drawn_at_the_times_of_each_scale():
    """Rates that differ: R* of what was seen by then stood at the mean of both times."""
    metrics = committed("quickstart")
    table = metrics[metrics["method"] == "network"].copy()
    slow = table["lazy_scale"] == table["lazy_scale"].min()
    table.loc[slow, "time"] = 2.0 * table.loc[slow, "time"]
    table["samples_limit"] = 1.0 / (1.0 + table["step"].astype(float))
    axis = Training().figures(table)["risk_against_time"].axes[0]
    lines = [tuple(line.get_xdata()) for line in axis.lines if line.get_linestyle() != "-"]
    widest = table[(table["width"] == table["width"].max()) & (table["step"] > 0)]
    for scale in widest["lazy_scale"].unique():
        own = widest[(widest["lazy_scale"] == scale) & (widest["seed"] == 0)]
        others = widest[(widest["lazy_scale"] == scale) & (widest["seed"] == 1)]
        times = 0.5 * (own["time"].to_numpy() + others["time"].to_numpy())
        found = [x for x in lines if len(x) == len(times) and np.allclose(x, times, rtol=1e-12)]
        assert len(found) == 1


def small(config):
    """Seconds instead of minutes."""
    config.problem.dim, config.seeds = 4, 2
    config.data.num_train, config.data.num_test = 16, 40
    config.measure.num_probe = 8
    config.training.steps, config.training.log_points = 20, 2
    return config


@pytest.mark.slow
def test_the_best_of_networks_is_not_that_of_their_linearizations():
    """Two methods ended in a MergeError when all was trained."""
    config = small(default_config("chizat"))
    config.student, config.batch_size, config.model.widths = 4, 4, (2,)
    config.taus, config.parts = (0.05, 1.0), ("scale",)
    config.predictors.methods = ("network", "linearized")
    result = prepare(config).run()
    table = chizat.ends(result.metrics)
    assert set(table["method"]) == {"network"}
    for row in table.itertuples():
        own = result.metrics[result.metrics["method"] == "network"]
        own = own[(own["lazy_scale"] == row.lazy_scale) & (own["seed"] == row.seed)]
        assert row.best_test_loss == own["test_loss"].min()
    found = frozen(config).findings(result)
    json.dumps(plain(found.summary), allow_nan=False)
    assert len(found.table.rows) == 2


@pytest.mark.slow
def test_estimates_take_the_rate_of_their_scale():
    config = small(default_config("polynomials"))
    config.targets, config.regimes, config.nums_train = ("harmonic_2",), ("all",), (16,)
    config.model.widths, config.model.bias = (8, 16), False
    config.model.lazy_scales, config.training.learning_rate = (0.5, 2.0), "0.1,0.4"
    metrics = prepare(config).run().metrics
    found = metrics[metrics["method"] == ESTIMATE]
    rates = found.set_index(["width", "lazy_scale"])["learning_rate"].to_dict()
    assert rates == {(n, a): r for n in (8, 16) for a, r in ((0.5, 0.1), (2.0, 0.4))}
    assert set(practice(metrics)["learning_rate"]) == {0.1, 0.4}
    config.model.lazy_scales, config.training.learning_rate = (2.0,), "0.4"
    alone = prepare(config).run().metrics
    expected = alone[alone["method"] == ESTIMATE]
    assert expected["lazy_scale"].isna().all()
    assert list(found[found["lazy_scale"] == 2.0]["risk"]) == list(expected["risk"])


@pytest.mark.slow
def test_ensembles_are_of_their_scale():
    """f_0, which is not subtracted, is as large as the scale: so is the ensemble's spread."""
    config = small(default_config("ntk_curves"))
    config.training.optimizer, config.model.widths = "sgd", (8,)
    config.population.dim, config.population.widths, config.population.seeds = 3, (8,), 1
    config.model.lazy_scales = (1.0, 10.0)
    study = prepare(config)
    result = study.run()
    metrics = result.metrics
    labels = np.asarray(study.runs[0].seeded.data.y_train[0])
    theory = metrics[(metrics["method"] == THEORY) & (metrics["part"] == "ntk")]
    first = theory[theory["time"] == 0.0].set_index("lazy_scale")["train_loss"]
    assert sorted(first.index) == [1.0, 10.0]
    # E (f_0 - y)^2 = alpha^2 K + y^2, two unknowns
    square = first[1.0] - (first[10.0] - first[1.0]) / 99.0
    room = rounding(4 * 16 + 8) * first[10.0] / 99.0  # differences of means of 16 terms
    assert abs(square - np.mean(labels**2)) < room
    networks = metrics[(metrics["part"] == "ntk") & (metrics["method"] == "network")]
    cells = frozen(config).findings(result).table.rows
    assert len(cells) == 5  # two scales of two parts, population
    for scale in (1.0, 10.0):
        own = networks[networks["lazy_scale"] == scale]
        largest = np.mean([own[own["seed"] == s]["ntk_gap"].max() for s in (0, 1)])
        (cell,) = [row for row in cells if row[0] == f"ntk, alpha = {scale:g}"]
        assert cell[2] == short_number(float(largest))
