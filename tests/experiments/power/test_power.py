"""The studies of the power half, small: coupled runs stay close, guarantees hold, tables close."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from rf_limits.errors import RequirementError
from rf_limits.experiments.power import coupling, polynomials
from rf_limits.experiments.power.configs import coupling_config, polynomials_config
from rf_limits.figures.power import coupling as coupling_figures
from rf_limits.figures.power import polynomials as polynomial_figures
from rf_limits.runs.store import plain
from tests.keeping import run_in_pieces


def small_coupling():
    """Two widths a factor 16 apart."""
    config = coupling_config()
    config.problem.dim, config.problem.noise = 5, 0.1
    config.model.widths, config.seeds = (16, 256), 2
    config.training.steps, config.training.log_points = 60, 6
    return config


def small_polynomials():
    """One polynomial that relu without biases knows, and one that it lacks."""
    config = polynomials_config()
    config.targets = ("harmonic_2", "monomial_3")
    config.regimes, config.nums_train = ("all",), (40,)
    config.model.widths, config.seeds = (64,), 2
    config.model.bias = False
    config.problem.dim, config.training.steps, config.training.log_points = 4, 300, 8
    config.data.num_test = 300
    return config


@pytest.fixture(scope="module")
def coupled():
    return coupling.prepare(small_coupling()).run()


@pytest.fixture(scope="module")
def learned():
    return polynomials.prepare(small_polynomials()).run()


def test_coupled_runs_come_closer_with_width(coupled):
    table = coupling.suprema(coupled.metrics)
    means = table.groupby(["regime", "width"])["coupled_gap"].mean()
    assert means["hidden", 256] < 0.3 * means["hidden", 16]  # 16^(-1/2) = 0.25, measured faster
    assert means["all", 256] < 0.15 * means["all", 16]  # 16^-1 = 0.06
    # Gaussian outputs: the hidden layer's kernel is as large as the output layer's
    assert means["ntk", 256] > 0.3 * means["ntk", 16]


def test_suprema_meet_their_guarantees(coupled):
    table = coupling.suprema(coupled.metrics)
    bounds = coupling.guarantees(coupled.metrics)
    assert set(bounds["regime"]) == {"hidden", "all"}
    for _, bound in bounds.iterrows():
        own = table[(table["regime"] == bound["regime"]) & (table["width"] == bound["width"])]
        for name in ("weight_movement", "coupled_gap"):
            assert 0.0 < own[name].max() < bound[name]


def test_impulse_is_the_area_under_the_error(coupled):
    metrics = coupled.metrics
    first = metrics[(metrics["method"] == "network") & (metrics["width"] == 16)]
    curve = first[(first["regime"] == "all") & (first["seed"] == 0)].sort_values("step")
    heights = np.sqrt(curve["risk"].to_numpy() + 0.01)
    times = curve["step"].to_numpy(float) * 0.5
    area = sum(
        0.5 * (heights[i] + heights[i + 1]) * (times[i + 1] - times[i])
        for i in range(len(times) - 1)
    )
    table = coupling.suprema(metrics)
    row = table[(table["regime"] == "all") & (table["width"] == 16) & (table["seed"] == 0)]
    assert float(row["impulse"].iloc[0]) == pytest.approx(area, rel=1e-12)


def test_a_diverged_run_has_no_supremum(coupled):
    metrics = coupled.metrics.copy()
    bad = (metrics["regime"] == "all") & (metrics["step"] == metrics["step"].max())
    metrics.loc[bad & (metrics["seed"] == 1), ["risk", "rf_gap"]] = np.nan
    table = coupling.suprema(metrics)
    own = table[(table["regime"] == "all") & (table["seed"] == 1)]
    assert own["coupled_gap"].isna().all()
    assert "all" not in set(coupling.guarantees(metrics)["regime"])


def test_polynomials_of_the_kernel_are_learned_and_others_are_not(learned):
    table = polynomials.practice(learned.metrics).set_index("target")
    asked = table["asked_steps"]
    assert math.isfinite(asked["harmonic_2"])
    assert asked["monomial_3"] == math.inf  # relu without biases has no degree 3
    final = learned.metrics[learned.metrics["step"] == 300]
    means = final[final["method"] == "rf_descent"].groupby("target")["relative_risk"].mean()
    assert means["monomial_3"] > 0.99
    assert means["harmonic_2"] < 0.9


def test_mean_risks_of_features_meet_the_guarantee(learned):
    """The bound is on the mean over steps, on the sphere; inputs are Gaussian here."""
    metrics = learned.metrics
    own = metrics[metrics["target"] == "harmonic_2"]
    bound = float(own[own["method"] == "guarantee"]["relative_risk"].iloc[0])
    for _, curve in own[own["method"] == "rf_descent"].groupby("seed"):
        curve = curve.sort_values("step")
        risks, steps = (curve[c].to_numpy(float) for c in ("relative_risk", "step"))
        assert np.trapezoid(risks, steps) / steps[-1] < bound


def test_the_largest_coefficient_sets_the_norm():
    config = small_polynomials()
    with config.unlocked():
        config.largest_coefficient = 2.0
    (member, *_) = polynomials.study_members(config)
    # Re (z_1 + i z_2)^2 = z_1^2 - z_2^2 has norm 2: its largest coefficient at norm 1 is 1/2
    assert member.config.problem.norm == pytest.approx(4.0)


@pytest.mark.slow
def test_an_interrupted_study_goes_on_with_the_same_numbers():
    config = small_coupling()
    config.regimes, config.model.widths = ("hidden", "all"), (8,)
    config.training.steps, config.measure.exact = 20, False
    prepared = coupling.prepare(config)
    whole = prepared.run()
    result, stops = run_in_pieces(prepared, 9)
    assert stops > 2
    assert {name.split(".")[0] for name in keep.tables} == {"regime=hidden", "regime=all"}
    pd.testing.assert_frame_equal(result.metrics, whole.metrics, check_exact=True)


@pytest.mark.parametrize(
    ("study", "figures", "name", "columns"),
    [
        (coupling, coupling_figures, "coupled", ["regime", "gap to RF"]),
        (polynomials, polynomial_figures, "learned", ["target", "all"]),
    ],
)
def test_summary_table_and_figures(request, study, figures, name, columns):
    result = request.getfixturevalue(name)
    json.dumps(plain(study.summary(result)), allow_nan=False)
    title, heads, cells = study.printed_table(result.metrics)
    assert "N" in title
    assert heads[:2] == columns
    assert all(len(row) == len(heads) for row in cells)
    assert study.remarks(result)
    assert not result.diverged
    drawn = figures.draw(result.metrics)
    assert next(iter(drawn)) == study.__name__.rsplit(".", maxsplit=1)[-1]
    for figure in drawn.values():
        assert all(axis.lines for axis in figure.axes)


@pytest.mark.parametrize(
    ("config", "study", "field", "value", "message"),
    [
        (coupling_config, coupling, "regimes", ("lazy",), "regimes must be one of"),
        (coupling_config, coupling, "model.centring", "none", "model.centring must be subtract"),
        (coupling_config, coupling, "data.kind", "fixed", "data.kind must be"),
        (polynomials_config, polynomials, "targets", ("cubic",), "targets must hold entries like"),
        (polynomials_config, polynomials, "targets", ("monomial_9",), "problem.dim must be at"),
        (polynomials_config, polynomials, "nums_train", (0,), "nums_train must be"),
        (polynomials_config, polynomials, "targets", ("neuron_2",), "problem.polynomial must be"),
        (polynomials_config, polynomials, "accuracy", 0.0, "accuracy must be"),
        (polynomials_config, polynomials, "problem.dim", 1, "problem.dim must be"),
        (polynomials_config, polynomials, "model.activation", "tanh", "model.activation must be"),
    ],
)
def test_studies_refuse(config, study, field, value, message):
    config = config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(RequirementError, match=message):
        study.validate(config)
