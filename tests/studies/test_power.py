"""The studies of the power half, small: coupled runs stay close, estimates above, tables close."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

from rf_limits import default_config
from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.runs.store import plain
from rf_limits.studies import coupling, prepare
from rf_limits.studies.asked_and_needed import ESTIMATE, practice
from rf_limits.table import short_number
from tests.experiments.conftest import changed
from tests.keeping import run_in_pieces
from tests.rounding import rounding
from tests.variants import kept


def small_coupling(*regimes):
    """Two widths a factor 16 apart."""
    config = default_config("coupling")
    config.regimes = regimes
    config.problem.dim, config.problem.noise = 5, 0.1
    config.model.widths, config.seeds = (16, 256), 2
    config.training.steps, config.training.log_points = 60, 6
    return config


def small_polynomials(*targets):
    """relu without biases knows the polynomials of degree 2, and lacks those of degree 3."""
    config = default_config("polynomials")
    config.targets = targets
    config.regimes, config.nums_train = ("all",), (40,)
    config.model.widths, config.seeds = (64,), 2
    config.model.bias = False
    config.problem.dim, config.training.steps, config.training.log_points = 4, 300, 8
    config.data.num_test = 300
    return config


@pytest.fixture(scope="module", params=kept(["all", "hidden"], ["all"]))
def regime(request):
    return request.param


@pytest.fixture(scope="module")
def coupled(regime):
    return prepare(small_coupling(regime)).run()


@pytest.fixture(scope="module")
def learned():
    return prepare(small_polynomials("harmonic_2")).run()


def gaps(result):
    """Mean suprema of the coupled gap by regime and width."""
    table = coupling.suprema(result.metrics)
    return table.groupby(["regime", "width"])["coupled_gap"].mean()


def test_coupled_runs_come_closer_with_width(coupled, regime):
    # 16^-1 = 0.06; 16^(-1/2) = 0.25, measured faster
    share = {"all": 0.15, "hidden": 0.3}[regime]
    assert gaps(coupled)[regime, 256] < share * gaps(coupled)[regime, 16]


@pytest.mark.slow
def test_gaussian_outputs_keep_the_runs_apart():
    """The hidden layer's kernel is as large as the output layer's."""
    result = prepare(small_coupling("ntk")).run()
    assert gaps(result)["ntk", 256] > 0.3 * gaps(result)["ntk", 16]
    assert not len(coupling.estimates(result.metrics, coupling.suprema(result.metrics)))


def test_suprema_stay_below_their_estimates(coupled, regime):
    table = coupling.suprema(coupled.metrics)
    bounds = coupling.estimates(coupled.metrics, table)
    assert set(bounds["regime"]) == {regime}
    for _, bound in bounds.iterrows():
        own = table[(table["regime"] == bound["regime"]) & (table["width"] == bound["width"])]
        for name in ("weight_movement", "coupled_gap"):
            assert 0.0 < own[name].max() < bound[name]


def test_impulse_is_the_area_under_the_error(coupled, regime):
    metrics = coupled.metrics
    first = metrics[(metrics["method"] == "network") & (metrics["width"] == 16)]
    curve = first[(first["regime"] == regime) & (first["seed"] == 0)].sort_values("step")
    heights = np.sqrt(curve["risk"].to_numpy() + 0.01)
    times = curve["step"].to_numpy(float) * 0.5
    area = sum(
        0.5 * (heights[i] + heights[i + 1]) * (times[i + 1] - times[i])
        for i in range(len(times) - 1)
    )
    table = coupling.suprema(metrics)
    row = table[(table["regime"] == regime) & (table["width"] == 16) & (table["seed"] == 0)]
    room = rounding(6 + 5 * len(times))  # a root, and sums of products that are positive
    assert float(row["impulse"].iloc[0]) == pytest.approx(area, rel=room)


def test_a_diverged_run_has_no_supremum(coupled, regime):
    metrics = coupled.metrics.copy()
    bad = (metrics["regime"] == regime) & (metrics["step"] == metrics["step"].max())
    metrics.loc[bad & (metrics["seed"] == 1), ["risk", "rf_gap", "linearization_gap"]] = np.nan
    table = coupling.suprema(metrics)
    own = table[(table["regime"] == regime) & (table["seed"] == 1)]
    assert own["coupled_gap"].isna().all()
    assert regime not in set(coupling.estimates(metrics, table)["regime"])


def asked_and_left(result):
    """By target: steps that the estimate asks for, relative risk of features at the end."""
    asked = practice(result.metrics).set_index("target")["asked_steps"]
    final = result.metrics[result.metrics["step"] == 300]
    means = final[final["method"] == "rf_descent"].groupby("target")["relative_risk"].mean()
    return asked, means


def test_a_polynomial_of_the_kernel_is_learned(learned):
    asked, left = asked_and_left(learned)
    assert math.isfinite(asked["harmonic_2"])
    assert left["harmonic_2"] < 0.9


@pytest.mark.parametrize("target", ["harmonic_10", *kept(["gegenbauer_60"], [])])
def test_relative_risks_of_nothing_are_one(target):
    """f = 0 at step 0; test sets' means of f*^2 are 2.9 and 8e-22 times the exact one."""
    config = small_polynomials(target)
    config.problem.dim, config.model.bias, config.data.num_test = 5, True, 10_000
    config.training.steps, config.training.log_points = 4, 2
    result = prepare(config).run()
    metrics = result.metrics
    first = metrics[metrics["step"].eq(0).fillna(False)]
    assert len(first)
    # a mean of equal squares, taken twice
    np.testing.assert_allclose(first["relative_risk"], 1.0, rtol=2 * rounding(10_000))
    assert (first["risk"].astype(float) != 1.0).all()
    fits = metrics[metrics["method"].isin(("nngp", "ntk"))]
    assert fits["relative_risk"].between(0.5, 2.0).all()
    steps = practice(metrics)[["steps", "rf_steps"]].to_numpy(float)
    assert np.isnan(steps).all()  # not reached, where 0 steps were said
    (line,) = [line for line in frozen(config).findings(result).remarks if "over test sets" in line]
    assert "measure.exact = True" in line


@pytest.mark.slow
def test_a_polynomial_that_the_kernel_lacks_is_not_learned():
    asked, left = asked_and_left(prepare(small_polynomials("monomial_3")).run())
    assert asked["monomial_3"] == math.inf
    assert left["monomial_3"] > 0.99


def test_mean_risks_of_features_stay_below_the_estimate(learned):
    """Of the mean over steps, on the sphere; inputs are Gaussian here."""
    metrics = learned.metrics
    own = metrics[metrics["target"] == "harmonic_2"]
    bound = float(own[own["method"] == ESTIMATE]["relative_risk"].iloc[0])
    for _, curve in own[own["method"] == "rf_descent"].groupby("seed"):
        curve = curve.sort_values("step")
        risks, steps = (curve[c].to_numpy(float) for c in ("relative_risk", "step"))
        assert np.trapezoid(risks, steps) / steps[-1] < bound


def test_the_largest_coefficient_sets_the_norm():
    config = small_polynomials("harmonic_2")
    config.largest_coefficient = 2.0
    (member, *_) = frozen(config).members()
    # Re (z_1 + i z_2)^2 = z_1^2 - z_2^2 has norm 2: its largest coefficient at norm 1 is 1/2
    assert member.config.problem.norm == pytest.approx(4.0)


@pytest.mark.slow
def test_an_interrupted_study_goes_on_with_the_same_numbers():
    config = small_coupling("hidden", "all")
    config.model.widths = (8,)
    config.training.steps, config.measure.exact = 20, False
    prepared = prepare(config)
    whole = prepared.run()
    result, stops = run_in_pieces(prepared, 9)
    assert stops > 2
    pd.testing.assert_frame_equal(result.metrics, whole.metrics, check_exact=True)


def check_summary_table_and_figures(config, result, columns):
    """Everything that a run does with a result."""
    study = frozen(config)
    summary, table, remarks = study.findings(result)
    json.dumps(plain(summary), allow_nan=False)
    assert "N" in table.title
    assert list(table.columns[:2]) == columns
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert remarks
    assert not result.diverged
    drawn = study.figures(result.metrics)
    assert next(iter(drawn)) == study.experiment
    for figure in drawn.values():
        assert all(axis.lines for axis in figure.axes)


def test_summary_table_and_figures_of_coupled_runs(coupled, regime):
    check_summary_table_and_figures(small_coupling(regime), coupled, ["regime", "gap to RF"])


def test_summary_table_and_figures_of_polynomials(learned):
    check_summary_table_and_figures(small_polynomials("harmonic_2"), learned, ["target", "all"])


def test_the_zonal_harmonic_has_no_largest_coefficient(learned):
    """Said as NaN in the summary, not refused when all is trained."""
    table = learned.metrics.assign(target="gegenbauer_2")
    study = frozen(small_polynomials("harmonic_2"))
    found = study.analyse(dataclasses.replace(learned, metrics=table))
    assert math.isnan(found["largest_coefficient_at_norm_1"]["gegenbauer_2"])
    known = study.analyse(learned)["largest_coefficient_at_norm_1"]["harmonic_2"]
    assert known == pytest.approx(0.5, rel=1e-12)  # (z_1^2 - z_2^2)/2: E = (2 + 2)/4 = 1
    config = small_polynomials("gegenbauer_2")
    frozen(config).check()
    config.largest_coefficient = 1.0
    with pytest.raises(RequirementError, match="largest_coefficient must be None for 'gegen"):
        frozen(config).check()


def test_lazy_scales_of_coupled_runs_are_told_apart(coupled, regime):
    """Twice the same runs under two scales: a line and a row each, none made of both."""
    second = coupled.metrics.copy()
    second["lazy_scale"] = 4.0
    movement = ["weight_movement"]
    second[movement] = 2.0 * second[movement]
    both = dataclasses.replace(coupled, metrics=pd.concat([coupled.metrics, second]))
    config = small_coupling(regime)
    _, table, remarks = frozen(config).findings(both)
    rows = table.rows
    assert [row[0] for row in rows] == [f"{regime}, alpha = 1", f"{regime}, alpha = 4"]
    lines = remarks[:2]
    assert [line.partition(", N")[0] for line in lines] == [row[0] for row in rows]
    own = coupling.suprema(coupled.metrics)
    moved = own[own["width"] == own["width"].max()]["weight_movement"].mean()
    for line, factor in zip(lines, (1.0, 2.0), strict=True):
        assert f"movement {short_number(float(factor * moved))}" in line
    check_summary_table_and_figures(config, both, ["regime", "gap to RF"])


def test_a_single_width_has_no_exponent_in_words(coupled, regime):
    metrics = coupled.metrics[coupled.metrics["width"] == 16]
    result = dataclasses.replace(coupled, metrics=metrics)
    lines = frozen(small_coupling(regime)).findings(result).remarks
    assert "N^" not in "".join(lines)
    assert "gap to RF" in lines[0]


@pytest.mark.parametrize(
    ("experiment", "field", "value", "message"),
    [
        ("coupling", "regimes", ("lazy",), "regimes must be one of"),
        ("coupling", "model.centring", "none", "model.centring must be subtract"),
        ("coupling", "data.kind", "fixed", "data.kind must be"),
        ("polynomials", "targets", ("cubic",), "targets must hold entries like"),
        ("polynomials", "targets", ("monomial_9",), "problem.dim must be at"),
        ("polynomials", "nums_train", (0,), "nums_train must be"),
        ("polynomials", "targets", ("neuron_2",), "problem.polynomial must be"),
        ("polynomials", "accuracy", 0.0, "accuracy must be"),
        ("polynomials", "problem.dim", 1, "problem.dim must be"),
        ("polynomials", "model.activation", "tanh", "model.activation must be"),
    ],
)
def test_studies_refuse(experiment, field, value, message):
    config = default_config(experiment)
    with pytest.raises(RequirementError, match=message):
        frozen(changed(config, {field: value})).check()
