"""What one neuron costs: the table against the theory it is made of, and refusals."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits import default_config
from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.runs.store import RunStore, plain
from rf_limits.studies import prepare
from rf_limits.studies.hardness import rows as hardness_rows
from rf_limits.studies.hardness.growth import failures
from rf_limits.studies.hardness.hardness import Hardness
from rf_limits.studies.hardness.measured_features import (
    lattice_directions,
    least_measured,
    sphere_directions,
)
from rf_limits.studies.hardness.neuron_bias import biases_and_limits
from rf_limits.studies.hardness.neuron_descent import train_neurons
from rf_limits.theory.bounds.best_features import best_risks
from rf_limits.theory.bounds.lazy_limit import features_for_risk, lazy_limit
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.training.result import Result
from tests.experiments.conftest import changed
from tests.rounding import LIBRARY, rounding

REFERENCE = pathlib.Path(__file__).parents[2] / "results" / "reference"


def small_hardness():
    config = default_config("hardness")
    config.dims, config.seeds = (3, 4, 30), 2
    config.biases = ("zero",)
    config.max_features, config.frontier.widths = 256, (64,)
    config.descent.widths, config.wave.draws = (1, 2), 20
    config.descent.max_steps = 300
    return config


def remarks(result):
    """Lines under the table of the small config."""
    return frozen(small_hardness()).findings(result).remarks


def summary(result):
    """What summary.json holds for the small config."""
    return frozen(small_hardness()).analyse(result)


@pytest.fixture(scope="module")
def hard():
    return prepare(small_hardness()).run()


def rows(result, method, **keys):
    table = result.metrics[result.metrics["method"] == method]
    for name, value in keys.items():
        table = table[table[name] == value]
    return table


def test_limits_are_those_of_the_theory(hard):
    for dim in (3, 4, 30):
        found = rows(hard, "lazy_limit", dim=dim, target_bias="zero")["log10_features"].item()
        needed = features_for_risk(0.02, dim, norm=float(dim**2))
        np.testing.assert_allclose(found, math.log10(needed), rtol=rounding(2 * LIBRARY))
        ((_, bias, easy),) = biases_and_limits(("d_cubed",), 0.02, dim, float(dim**2))
        assert bias == dim**3
        assert easy == dim + 1  # a linear function, nearly
    assert rows(hard, "magnitude_limit", dim=30)["log10_size_times_weight"].isna().all()
    assert rows(hard, "rms_magnitude_limit", dim=30)["log10_size_times_weight"].item() > 25
    lines = [line for line in remarks(hard) if line.startswith("No limit")]
    assert lines == [
        "No limit of r max|u_i| at d = 30: it exists, but the risk needs more degrees than are "
        "computed there."
    ]


def test_an_error_of_a_limit_is_no_missing_value(monkeypatch):
    """Only a risk that needs too many degrees leaves a gap in the table."""

    def broken(*_, **__):
        raise ValueError("math domain error")

    monkeypatch.setitem(hardness_rows._MAGNITUDES, "magnitude_limit", broken)
    with pytest.raises(ValueError, match="math domain error"):
        prepare(small_hardness()).run()


def test_two_dimensions():
    """Without a bias seven features at least; far from the kink a linear function, and two more."""
    assert features_for_risk(0.02, 2, norm=4.0) == 7
    ((_, bias, easy),) = biases_and_limits(("d_cubed",), 0.02, 2, 4.0)
    assert (bias, easy) == (8.0, 5)


moments = jax.jit(relu_gram)


@pytest.mark.parametrize("family", ["random_features", "lattice_features"])
def test_least_measured_is_the_first_to_reach_the_threshold(hard, family):
    found = rows(hard, family, dim=3, target_bias="zero", seed=1).iloc[0]
    count = int(found["num_features"])
    # (the lazy limit, 43, bounds the mean risk: a lucky draw may reach the threshold before)
    if family == "random_features":
        w, direction = sphere_directions(1, 3, 256), jnp.eye(1, 3)[0]
    else:
        w, direction = (
            jnp.asarray(lattice_directions(3, 256, True)),
            sphere_directions(1, 3, 1)[0],
        )
    gram = np.array(moments(w, None, w, None))[:count, :count]
    products = np.array(moments(w, None, direction[None], None)[:count, 0])
    before, last = best_risks(gram, products, 0.5, [count - 1, count])
    assert 81 * before.risk > 0.02 >= 81 * last.risk
    np.testing.assert_allclose(found["risk"], 81 * last.risk, rtol=1e-6)
    np.testing.assert_allclose(found["max_weight"], 9 * last.max_weight, rtol=1e-6)


def test_not_reached_is_said(hard):
    assert (
        least_measured("random_features", 0, 3, 0.0, 0.02 / 81, least=43, max_features=44) is None
    )
    measured = rows(hard, "frontier")
    assert set(measured["dim"]) == {3}
    assert np.all(measured["log10_size_times_weight"] > 0.9)


def test_gradient_descent_learns_the_neuron(hard):
    neurons = rows(hard, "neuron", target_bias="zero")
    assert len(neurons) == 6
    assert np.all(neurons["risk"] <= 0.02)
    assert np.all(neurons["steps"] < 40)
    norms = neurons["dim"].astype(float) ** 2
    np.testing.assert_allclose(neurons["max_weight"], norms, atol=0.3)


def test_padding_changes_nothing(hard):
    """Dimensions 4 and 30 are trained beside."""
    options = {"threshold": 0.02, "learning_rate": 0.8, "max_steps": 300}
    alone = train_neurons([(3, 9.0, 0.0)], 2, 2, **options)[0]
    beside = rows(hard, "network", dim=3, target_bias="zero").sort_values("seed")
    for a, (_, b) in zip(alone, beside.iterrows(), strict=True):
        assert a["steps"] == b["steps"]
        np.testing.assert_allclose(a["risk"], b["risk"], rtol=1e-8)


@pytest.mark.slow
def test_hardest_bias_needs_most_features():
    found = {
        kind: (b, p) for kind, b, p in biases_and_limits(("zero", "paper", "hardest"), 0.02, 3, 9.0)
    }
    assert found["zero"] == (0.0, 43)
    assert found["zero"][1] < found["paper"][1] <= found["hardest"][1]
    assert found["paper"][0] % 2 == 1
    for bias in np.linspace(0.0, 27.0, 28):  # every kink of the wave and all between them
        needed = features_for_risk(0.02, 3, norm=9.0, bias=float(bias))
        assert needed <= found["hardest"][1]
        assert bias % 2 == 0 or needed <= found["paper"][1]
    bias, needed = found["hardest"]
    assert lazy_limit(needed - 1, 3, norm=9.0, bias=bias) > 0.02


@pytest.mark.sharp
@pytest.mark.parametrize("halved", [True, False])
def test_lattice_directions(halved):
    w = lattice_directions(3, 60, halved)
    norm = 3 + 2  # squares and sums of 3 entries, a root, a division
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1.0, rtol=rounding(2 * norm))
    assert len({tuple(v) for v in w.round(12)}) == 60
    opposite = {tuple(v) for v in w.round(12)} & {tuple(v) for v in (-w).round(12) + 0.0}
    assert (len(opposite) == 6) == halved
    np.testing.assert_array_equal(lattice_directions(3, 40, halved), w[:40])


def test_wave_correlations_decay(hard):
    for bias in (0.0, 1.0):
        wave = rows(hard, "wave", bias=bias).sort_values("dim")["log10_correlation"]
        assert np.all(np.diff(wave) < 0)
        assert wave.iloc[-1] < -30
    assert np.all(rows(hard, "wave_draws", dim=30)["log10_correlation"] < -1000)


def test_table_summary_and_figure(hard):
    study = frozen(small_hardness())
    found, (_, columns, cells), _ = study.findings(hard)
    assert [row[0] for row in cells] == ["3", "4", "30"]
    assert cells[2][columns.index("needed\nb* = 0")] == "10^50.6"
    assert cells[0][columns.index("needed\nb* = 0")] == "43"
    figure = study.figures(hard.metrics)["hardness"]
    assert not found["failures"]
    assert found["choices"]["norm_exponent"] == 2.0
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert any("one neuron" in label for label in labels)
    part = hard.metrics[hard.metrics["method"] == "lazy_limit"]
    study.figures(part)  # whatever part of the table is there


def test_growth_is_given_by_increments_and_no_exponential(hard):
    found = {(g["method"], g["from_dim"]): g for g in summary(hard)["growth"]}
    first, last = found["lazy_limit", 3], found["lazy_limit", 4]
    needed = [math.log10(features_for_risk(0.02, d, norm=float(d**2))) for d in (3, 4, 30)]
    assert first["digits_per_dimension"] == pytest.approx(needed[1] - needed[0], rel=1e-12)
    assert last["digits_per_dimension"] == pytest.approx((needed[2] - needed[1]) / 26, rel=1e-12)
    # the law is asymptotic: (5/6) log10 d + 0.905, whose mean over d = 4 to 29 this is
    mean = np.mean([5 / 6 * math.log10(d) + 0.9047 for d in range(4, 30)])
    assert last["law"] == pytest.approx(mean, abs=1e-3)
    assert abs(last["digits_per_dimension"] - mean) < 0.05
    # the others have one dimension here
    assert {m for m, _ in found} == {"lazy_limit", "magnitude_limit", "rms_magnitude_limit"}
    (line,) = (line for line in remarks(hard) if line.startswith("features needed"))
    assert "0.833 log10 d + 0.905" in line
    assert "faster than any exponential" in line
    text = " ".join(remarks(hard))
    assert "CI" not in text
    assert "95%" not in text


def test_the_reverse_is_said():
    """At b* = d^3 a few fixed features suffice where networks of eight neurons fail."""
    metrics = RunStore(REFERENCE / "hardness").read_metrics()
    failed = failures(metrics)
    assert set(failed["target_bias"]) == {"d_cubed"}
    assert failed["dim"].tolist() == [15, 20, 30]
    assert set(failed["num_features"]) == {8}
    assert set(failed["starts"]) == {3}
    needed = 10.0 ** failed["log10_needed"].to_numpy(float)
    np.testing.assert_allclose(needed, [16, 21, 31], rtol=1e-9)
    choices = {"target": "relu", "threshold": 0.02, "norm_exponent": 2.0}
    lines = Hardness().findings(Result(metrics, choices)).remarks
    (line,) = (line for line in lines if "reverse" in line)
    assert "at b* = d^3, 8 neurons" in line
    assert "d = 15, 20, 30" in line
    assert "10^1.2 = 16 suffice at d = 15" in line
    labels = Hardness().figures(metrics)["hardness"].axes[0].get_legend_handles_labels()[1]
    assert any("fails to train" in label for label in labels)


def test_thresholds_up_to_the_risk_of_zero_can_be_run():
    """E f*^2 = d^4/2 = 8 at d = 2 and b* = 0: just below it one feature does."""
    config = small_hardness()
    config.dims, config.threshold = (2, 3), 8.0 * (1.0 - 1e-9)
    config.methods, config.seeds = ("lazy_limit", "magnitude_limit", "random_features"), 1
    result = prepare(config).run()
    assert rows(result, "lazy_limit", dim=2)["num_features"].item() == 1
    found = frozen(config).findings(result)
    plain(found.summary)
    assert found.remarks


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("dims", (1, 2), "dims must be a whole number of at least 2"),
        ("threshold", 0.0, "threshold must be finite and above 0"),
        ("threshold", 1e-9, "threshold must be at least"),
        ("threshold", 8.0, "threshold must be below 8, the smallest E f*^2 of the dims"),
        ("biases", ("zero", "hardst"), "Did you mean 'hardest'?"),
        ("methods", (), "methods must be a non-empty tuple"),
        ("max_features", 10**6, "max_features must give a Gram matrix that fits in memory"),
        ("frontier.widths", (0,), "frontier.widths must be a whole number"),
        ("descent.learning_rate", 2.5, "descent.learning_rate must be below 2"),
        ("descent.max_steps", 0, "descent.max_steps must be a whole number"),
        ("wave.biases", (math.inf,), "wave.biases must be finite"),
    ],
)
def test_refusals(field, value, text):
    config = default_config("hardness")
    with pytest.raises(RequirementError, match="must") as error:
        prepare(changed(config, {field: value}))
    assert text in str(error.value)
    assert "\n" not in str(error.value)
