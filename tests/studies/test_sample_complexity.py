"""Learning curves, small: kernels agree with their theory, features beat nothing they cannot."""

import json

import numpy as np
import pytest

from rf_limits import default_config
from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.figures.curves import BEYOND
from rf_limits.figures.theory_line import LARGEST_RISK
from rf_limits.methods import RANDOM_FEATURES
from rf_limits.runs.store import plain
from rf_limits.studies import prepare, sample_complexity
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from rf_limits.training.result import Result
from tests.chance import standard_errors

THEORIES = {"nngp_theory", "ntk_theory", "random_features_theory"}


def small_config(*methods):
    """Two numbers of samples in ten dimensions."""
    config = default_config("sample_complexity")
    config.dims, config.nums_train = (10,), (20, 80)
    config.model.widths, config.model.lazy_scales = (64,), (0.1,)
    config.training.steps, config.seeds = 300, 8
    config.predictors.methods = methods
    return config


def learned():
    """Everything but networks."""
    return small_config("random_features", "tangent_features", "nngp", "ntk")


@pytest.fixture(scope="module")
def result():
    return prepare(learned()).run()


def test_kernels_agree_with_theory(result):
    table = sample_complexity.agreement(result.metrics)
    assert len(table) == 4
    # t with 7 degrees of freedom beyond 10 has probability 2e-5; 20 samples in d = 10 are few
    assert np.all(np.abs(table["distance"]) < 10.0)
    assert np.all(np.abs(table["measured"] / table["expected"] - 1.0) < 0.2)


def test_theory_lines_meet_the_definitions(result):
    theory = result.metrics[result.metrics["seed"].isna()]
    assert set(theory["method"]) == {*THEORIES, "lazy_limit"}
    for name in THEORIES:
        risks = theory[theory["method"] == name].set_index("theory_num_train")["risk"]
        assert all(risk > lazy_limit(int(n), 10) for n, risk in risks.items())


def test_theory_of_features_shows_its_peak():
    """Sampled at n = N = 64, where it is infinite without ridge, and next to it: risks ascend."""
    config = small_config("random_features")
    config.nums_train, config.seeds, config.model.widths = (40, 80), 1, (64,)
    metrics = prepare(config).run().metrics
    theory = metrics[metrics["method"] == "random_features_theory"].sort_values("theory_num_train")
    counts, risks = (theory[c].to_numpy(float) for c in ("theory_num_train", "relative_risk"))
    assert {48, 56, 60, 62, 63, 64, 65, 66, 68, 72} <= set(counts)
    assert counts[np.argmax(risks)] == 64.0
    assert np.isposinf(risks[counts == 64.0])
    near = (counts >= 48) & (counts <= 96)
    assert np.all(np.diff(risks[near & (counts <= 63)]) > 0)
    assert np.all(np.diff(risks[near & (counts >= 65)]) < 0)
    (axis,) = frozen(config).figures(metrics)["sample_complexity"].axes
    dashed = [one for one in axis.lines if one.get_linestyle() == "--"]
    (line,) = (one for one in dashed if one.get_color() == RANDOM_FEATURES.colour)
    assert line.get_xdata()[np.argmax(line.get_ydata())] == 64.0
    assert np.all(np.isfinite(line.get_ydata()))  # one line up to the edge and down again
    marks = [one for one in axis.lines if one.get_label() == BEYOND]
    assert any(one.get_ydata()[0] == axis.get_ylim()[1] == LARGEST_RISK for one in marks)


def test_what_few_training_sets_can_say(result):
    """P(|t| > 3) = 1 - 2 arctan(3)/pi with one degree of freedom, 20%: no failure of the theory."""
    expected = 100.0 * (1.0 - 2.0 * np.arctan(3.0) / np.pi)
    metrics = result.metrics[result.metrics["seed"].isna() | (result.metrics["seed"] < 2)]
    study = frozen(learned())
    line = study.findings(Result(metrics, result.choices)).remarks[0]
    assert f"(a right theory is outside at {expected:.0f}%, with 2 training sets)" in line
    metrics = result.metrics[result.metrics["seed"].isna() | (result.metrics["seed"] < 1)]
    lines = study.findings(Result(metrics, result.choices)).remarks
    assert not any("Kernel-regression" in line for line in lines)


def test_summary_table_and_figure(result):
    study = frozen(learned())
    summary, (_, columns, cells), remarks = study.findings(result)
    json.dumps(plain(summary), allow_nan=False)
    assert columns == ["d", "n", "RF", "NT", "NNGP", "NTK"]
    assert [row[:2] for row in cells] == [["10", "20"], ["10", "80"]]
    assert remarks[0].startswith("Kernel-regression theory within 3")
    (axis,) = study.figures(result.metrics)["sample_complexity"].axes
    assert axis.get_title() == "d = 10"


@pytest.mark.slow
def test_networks_have_a_column_by_scale():
    config = small_config("network", "nngp")
    config.nums_train, config.training.steps, config.seeds = (20,), 3, 2
    _, columns, cells = frozen(config).findings(prepare(config).run()).table
    assert columns == ["d", "n", "scale 0.1", "NNGP"]
    assert len(cells) == 1


@pytest.mark.parametrize(
    ("target", "inputs"),
    [
        ({"target": "polynomial", "degree": 2}, "sphere"),
        pytest.param({"target": "single_neuron", "bias": 0.5}, "gaussian", marks=pytest.mark.slow),
        pytest.param({"target": "teacher", "bias": -0.4}, "sphere", marks=pytest.mark.slow),
        pytest.param({"target": "teacher"}, "gaussian", marks=pytest.mark.slow),
        pytest.param({"target": "polynomial", "degree": 2}, "gaussian", marks=pytest.mark.slow),
    ],
)
def test_theory_knows_every_target_and_both_inputs(target, inputs):
    config = default_config("sample_complexity")
    config.dims, config.nums_train, config.seeds = (10,), (40,), 12
    config.model.widths, config.predictors.methods = (4,), ("random_features", "nngp", "ntk")
    config.problem.update(target)
    config.problem.inputs = inputs
    result = prepare(config).run()
    assert result.choices["members"]["dim=10.num_train=40"]["risk_of_kernels"] == "exact"
    theory = result.metrics[result.metrics["seed"].isna()]
    assert set(theory["method"]) == THEORIES
    table = sample_complexity.agreement(result.metrics)
    assert len(table) == 2
    # t with 11 degrees of freedom beyond 8 has probability 7e-6; 40 samples in d = 10 are few
    assert np.all(np.abs(table["distance"]) < 8.0)
    assert np.all(np.abs(table["measured"] / table["expected"] - 1.0) < 0.2)


def test_refused_fits_are_neither_averaged_nor_compared(result):
    metrics = result.metrics.copy()
    first = (metrics["method"] == "nngp") & (metrics["num_train"] == 80) & (metrics["seed"] == 0)
    first &= np.isinf(metrics["time"])
    metrics.loc[first, ["risk", "relative_risk"]] = np.nan
    metrics.loc[first, ["condition_number", "ridge_needed"]] = 1e13, 2e-9
    _, (_, columns, cells), lines = frozen(learned()).findings(Result(metrics, result.choices))
    assert cells[1][columns.index("NNGP")] == "nan"
    assert "nan" not in cells[0] + cells[1][:-2]
    assert "within 3 standard errors at 3 of 3 points" in lines[0]
    assert lines[-1] == (
        "REFUSED: nngp at dim = 10, num_train = 80 (1 fit): condition number 1.0e13, too "
        "ill-conditioned to be solved; predictors.ridge above 2.0e-9 makes it solvable."
    )


def test_theory_is_left_out_where_means_are_infinite_and_faint_where_it_is_rough():
    config = small_config("random_features", "nngp", "ntk")
    config.dims, config.nums_train, config.seeds, config.problem.noise = (2, 4), (20,), 2, 0.3
    result = prepare(config).run()
    theory = result.metrics[result.metrics["method"].isin(THEORIES)].set_index("dim")
    assert list(theory.loc[2, "method"]) == ["nngp_theory", "ntk_theory", "random_features_theory"]
    assert theory.loc[2, "risk"].isna().all()
    assert theory.loc[2, "theory_remark"].str.startswith("No theory: ridge must be positive").all()
    assert theory.loc[4, "risk"].notna().all()
    assert theory.loc[4, "theory_remark"].str.startswith("Mean risks measured in dim").all()
    study = frozen(config)
    summary, _, lines = study.findings(result)
    assert [line.split(":")[0] for line in lines[1:5]] == [
        "nngp_theory, ntk_theory",
        "random_features_theory",
    ] * 2
    assert set(sample_complexity.agreement(result.metrics)["dim"]) == {4}
    json.dumps(plain(summary), allow_nan=False)
    small, larger = study.figures(result.metrics)["sample_complexity"].axes
    dashed = [[line for line in a.lines if line.get_linestyle() == "--"] for a in (small, larger)]
    assert dashed[0] == []
    assert [line.get_alpha() for line in dashed[1]] == [0.35] * 3


@pytest.mark.parametrize(
    ("parameterization", "ridge", "width"),
    [
        ("standard", 64.0, 128),
        pytest.param("mup", 1.0, 128, marks=pytest.mark.slow),
        pytest.param("mean_field", 1 / 64, 128, marks=pytest.mark.slow),
        pytest.param("ntk", 1.0, 64, marks=pytest.mark.slow),
    ],
)
def test_theory_knows_the_scale_and_number_of_features(parameterization, ridge, width):
    """Features have no output weights, and pairs of a doubled network are one feature."""
    config = small_config("random_features")
    config.nums_train, config.seeds, config.problem.noise = (40,), 40, 0.3
    config.model.widths, config.model.centring = (64, 128), "antisymmetric"
    config.model.parameterization, config.predictors.ridge = parameterization, ridge
    metrics = prepare(config).run().metrics
    metrics = metrics[metrics["width"] == width]
    (row,) = sample_complexity.agreement(metrics, (RANDOM_FEATURES,)).itertuples()
    assert row.se < 0.05 * row.expected
    assert abs(row.distance) < standard_errors(40, 4)


def test_kernels_alone():
    """No method of the table has a width or a lazy scale."""
    config = small_config("nngp", "ntk")
    config.nums_train = (20,)
    result = prepare(config).run()
    study = frozen(config)
    summary, (_, columns, cells), _ = study.findings(result)
    json.dumps(plain(summary), allow_nan=False)
    assert columns == ["d", "n", "NNGP", "NTK"]
    assert len(cells) == 1
    assert study.figures(result.metrics)


@pytest.mark.parametrize(("field", "value"), [("dims", (1,)), ("nums_train", (0,))])
def test_refusals(field, value):
    config = default_config("sample_complexity")
    with pytest.raises(RequirementError, match=field):
        setattr(config, field, value)
