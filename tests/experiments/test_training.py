"""The whole experiment: its table, its reproducibility, what it refuses."""

import numpy as np
import pandas as pd
import pytest

from rf_limits.analysis.tables import (
    KEYS,
    MEASUREMENTS,
    degree_names,
    final_rows,
    metrics_table,
    overview,
    summary_rows,
)
from rf_limits.errors import RequirementError
from rf_limits.studies.training import Training
from rf_limits.table import short_number
from rf_limits.theory import lazy_limit
from rf_limits.training.run import prepare
from tests.experiments.conftest import remarks, small_config
from tests.rounding import LIBRARY, rounding


def numbers(table, **keys):
    """Rows of a metrics table that match ``keys``, measurements as an array."""
    for name, value in keys.items():
        table = table[table[name] == value]
    return table[[name for name in MEASUREMENTS if name in table]].to_numpy(
        dtype=float, na_value=np.nan
    )


def test_table_is_tidy_and_complete(result):
    metrics = result.metrics
    assert list(metrics.columns) == [*KEYS, *MEASUREMENTS, *degree_names(4)]
    counts = metrics.groupby("method").size()
    assert counts["network"] == counts["linearized"] == 2 * 2 * 2 * 4
    assert counts["random_features"] == counts["tangent_features"] == 2 * 2
    assert counts["nngp"] == counts["ntk"] == 2 * (4 + 1)
    assert not metrics.duplicated(list(KEYS)).any()
    assert np.all(np.isfinite(metrics["risk"]))
    assert np.all(metrics["risk"] >= 0)
    moment = result.choices["target_second_moment"]
    assert moment == pytest.approx(0.5, rel=rounding(2 * (5 + 3)))  # |w*|^2 / 2
    relative = metrics["risk"] / moment
    np.testing.assert_allclose(metrics["relative_risk"], relative, rtol=rounding(2))
    network = metrics[metrics["method"] == "network"]
    missing = network[list(MEASUREMENTS)].isna().all()
    assert list(missing[missing].index) == ["condition_number", "backward_error", "ridge_needed"]
    fitted = metrics[metrics["backward_error"].notna()]
    assert set(fitted["method"]) == {"random_features", "tangent_features", "nngp", "ntk"}
    assert len(fitted) == 2 * 2 * 2 + 2 * 2
    assert np.all(fitted["backward_error"] < rounding(8 * 40))  # a decomposition for 40 samples
    assert np.all(fitted["ridge_needed"] == 0.0)
    assert not any(line.startswith("REFUSED") for line in remarks(result))


def start_rounding(start):
    """Rounding of exact risks before the first step, when f - f_0 cancels.

    The sum of the sizes of its 2 N terms is 2 alpha sqrt(N) or so, that of the target 1, and a
    product of two neurons of length 1 has an expectation of 1/2 at most.
    """
    sizes = 2.0 * start["lazy_scale"].fillna(0.0) * np.sqrt(start["width"].fillna(0).astype(float))
    return rounding(2 * 2 * 32 + 5 + LIBRARY) * 0.5 * (sizes.astype(float) + 1.0) ** 2


def test_metrics_carry_the_limit(result):
    metrics = result.metrics
    rf = metrics[(metrics["method"] == "random_features") & (metrics["width"] == 8)]
    assert np.all(rf["features_limit"] == lazy_limit(8, 5))
    assert np.all(rf["samples_limit"] == lazy_limit(40, 5))
    network = metrics[(metrics["method"] == "network") & (metrics["width"] == 8)]
    assert np.all(network["features_limit"] == lazy_limit(48, 5))
    assert np.all(network["samples_limit"] == lazy_limit(40, 5))
    assert metrics.loc[metrics["method"] == "ntk", "features_limit"].isna().all()
    np.testing.assert_allclose(metrics["second_moment"], 0.5, rtol=rounding(2 * (5 + 3)))


def test_degrees_are_measured_for_every_method(result):
    metrics = result.metrics
    risks = metrics[[name for name in degree_names(4) if name.startswith("risk")]]
    assert risks.notna().all(axis=None)
    error = (risks.sum(axis=1) - metrics["risk"]).abs()
    assert np.all(error <= rounding(2 * 6) * risks.abs().sum(axis=1))
    assert (risks["risk_degree_3"] == 0.0).all()  # relu without bias has none
    start = metrics[(metrics["step"] == 0) | (metrics["time"] == 0.0)]
    assert {"network", "linearized", "nngp", "ntk"} == set(start["method"])
    for end in (0, 1, 2, 3, 4, "rest"):
        target = result.choices["target_degrees"][f"target_degree_{end}"]
        assert (metrics[f"target_degree_{end}"] == target).all()
        assert np.all((start[f"risk_degree_{end}"] - target).abs() <= start_rounding(start))
    found = Training().analyse(result)["final"][0]
    assert {f"risk_degree_{end}" for end in (0, 1, 2, 3, 4, "rest")} < set(found)


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        ({"measure.max_degree": -1, "predictors.methods": ("network",)}, []),
        pytest.param(
            {"measure.max_degree": 0},
            ["risk_degree_0", "risk_degree_rest"],
            marks=pytest.mark.slow,
        ),
        pytest.param({"model.activation": "erf"}, None, marks=pytest.mark.slow),
        pytest.param(
            {"problem.inputs": "sphere", "problem.bias": 0.3}, None, marks=pytest.mark.slow
        ),
    ],
)
def test_degrees_absent_or_unknown(fields, columns):
    config = small_config()
    config.model.widths, config.model.lazy_scales, config.seeds = (4,), (1.0,), 1
    config.training.steps = 3
    config.update(fields)
    metrics = prepare(config).run().metrics
    names = [name for name in metrics if name.startswith("risk_degree")]
    if columns is None:  # kernels on the sphere know their degrees, networks there do not
        assert names == [f"risk_degree_{end}" for end in (0, 1, 2, 3, 4, "rest")]
        kernels = metrics["method"].isin(["nngp", "ntk"])
        assert metrics[~kernels][names].isna().all(axis=None)
        known = config.problem.inputs == "sphere"
        assert metrics[kernels][names].notna().all(axis=None) == known
        assert metrics["target_degree_3"].notna().all() == known
    else:
        assert names == columns
        assert metrics[names].notna().all(axis=None)


def test_before_the_first_step_nothing_moved(result):
    start = result.metrics[result.metrics["step"] == 0]
    network = start[start["method"] == "network"]
    linear = start[start["method"] == "linearized"]
    for table in (network, linear):
        for column in ("weight_movement", "output_movement", "neuron_movement"):
            assert np.all(table[column] == 0.0)
        assert np.all((table["risk"] - 0.5).abs() <= start_rounding(table))  # centred: f_0 = 0
    assert np.all(network["kernel_drift"] == 0.0)
    assert np.all(network["activation_flips"] == 0.0)
    assert np.all(network["linearization_gap"] <= np.sqrt(start_rounding(network)))


def test_large_scale_follows_the_linearization(result):
    final = final_rows(result.metrics)
    wide = final[(final["method"] == "network") & (final["width"] == 32)]
    gaps = wide.groupby("lazy_scale")["linearization_gap"].mean()
    moves = wide.groupby("lazy_scale")["weight_movement"].mean()
    assert gaps[10.0] < 0.3 * gaps[0.5]
    assert moves[10.0] < 0.2 * moves[0.5]


def test_same_config_same_numbers(result):
    again = prepare(small_config()).run()
    pd.testing.assert_frame_equal(again.metrics, result.metrics, check_exact=True)


def test_seed_and_width_alone_give_the_same_numbers(result):
    config = small_config()
    config.seeds = 1
    config.model.widths = (32,)
    config.model.lazy_scales = (10.0,)
    alone = prepare(config).run().metrics
    for method in ("network", "linearized"):
        keys = {"method": method, "width": 32, "seed": 0, "lazy_scale": 10.0}
        tables = (one.drop(columns="rounding_error") for one in (alone, result.metrics))
        np.testing.assert_allclose(
            *(numbers(table, **keys) for table in tables),
            rtol=2e-5,  # trained in float32
            atol=1e-8,
        )
    for method in ("random_features", "tangent_features"):
        keys = {"method": method, "width": 32, "seed": 0}
        np.testing.assert_array_equal(numbers(alone, **keys), numbers(result.metrics, **keys))


VARIANTS = {
    "erf population": {
        "model.activation": "erf",
        "predictors.methods": ("network", "random_features", "ntk"),
        "data.kind": "population",
        "precision": "float64",
    },
    "tanh on a test set": {"model.activation": "tanh", "model.parameterization": "standard"},
    "biases": {"model.bias": True, "problem.bias": 0.5},
    "sphere": {"problem.inputs": "sphere", "model.parameterization": "standard"},
    "biased target on a sphere": {"problem.inputs": "sphere", "problem.bias": 0.3},
    "teacher": {
        "problem.target": "teacher",
        "problem.noise": 0.1,
        "training.optimizer": "sgd(momentum=0.9)",
    },
    "polynomial": {"problem.target": "polynomial", "problem.degree": 3},
    "mean field": {"model.parameterization": "mean_field", "model.centring": "antisymmetric"},
    "not centred": {
        "model.centring": "none",
        "model.output_init": "sign",
        "model.trainable": "hidden",
    },
    "output layer": {"model.trainable": "output", "data.seed": 3},
    "adam minibatch": {
        "training.optimizer": "adam",
        "training.learning_rate": "0.01",
        "training.batch_size": 8,
    },
    "one pass": {"training.batch_size": 8, "data.kind": "stream"},
    "float64 vmap": {"precision": "float64", "training.ensemble": "vmap"},
    "flow": {"training.optimizer": "gradient_flow(rtol=1e-4)"},
    "population": {
        "data.kind": "population",
        "precision": "float64",
        "predictors.methods": ("network", "linearized"),
    },
    "one dimension, one sample": {"problem.dim": 1, "data.num_train": 1, "model.widths": (1,)},
}


BY_DEGREE = ("biases", "polynomial", "teacher", "not centred", "tanh on a test set")
"""Variants that measure risks by degree, which takes long to compile."""


SLOW = (
    *("erf population", "biases", "teacher", "float64 vmap", "sphere", "output layer"),
    *("adam minibatch", "one pass", "tanh on a test set"),
    *("mean field", "polynomial", "flow", "biased target on a sphere", "not centred"),
    "one dimension, one sample",
)
"""Variants left to ``make test-all``: others use the same code paths."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in VARIANTS],
)
def test_every_option_runs(name):
    config = small_config()
    config.model.widths = (8,)
    config.model.lazy_scales = (1.0,)
    config.seeds = 1
    if name not in BY_DEGREE:
        config.measure.max_degree = -1
    for field, value in VARIANTS[name].items():
        config.update({field: value})
    result = prepare(config).run()
    trained = result.metrics[result.metrics["method"].isin(["network", "linearized"])]
    assert np.all(np.isfinite(trained["risk"]))
    last = final_rows(result.metrics)
    first = trained[trained["step"] == 0]["train_loss"].mean()
    if name != "one dimension, one sample":  # one input may lie where all neurons are off
        assert last[last["method"] == "network"]["train_loss"].mean() < first
    closed = result.choices["linearization"] == "closed form"
    trained_alongside = (
        "adam minibatch",
        "one pass",
        "teacher",
        "population",
        "erf population",
    )
    assert closed == (name not in trained_alongside)
    sampled = name in ("tanh on a test set", "biased target on a sphere")
    assert result.choices["risk_of_networks"] == ("test set" if sampled else "exact")
    assert (trained["risk_standard_error"] > 0).all() == sampled


def test_fewer_methods(result):
    config = small_config()
    config.predictors.methods = ("random_features", "ntk")
    metrics = prepare(config).run().metrics
    assert set(metrics["method"]) == {"random_features", "ntk"}
    for seed in (0, 1):
        keys = {"method": "random_features", "seed": seed}
        np.testing.assert_allclose(numbers(metrics, **keys), numbers(result.metrics, **keys))


def test_shared_data_seed_gives_shared_kernels():
    config = small_config()
    config.data.seed = 5
    config.predictors.methods = ("nngp",)
    metrics = prepare(config).run().metrics
    assert list(metrics["seed"]) == [0, 1]
    assert len(set(metrics["risk"])) == 1


@pytest.mark.slow
def test_divergence_is_counted_and_never_averaged_in():
    config = small_config()
    config.model.lazy_scales = (0.5,)
    config.predictors.methods = ("network",)
    config.training.optimizer = "adam"
    config.training.learning_rate = "1e30"
    result = prepare(config).run()
    assert result.diverged
    rows = [row for row in summary_rows(result.metrics) if row["method"] == "network"]
    assert all(row["diverged"] == 2 and np.isnan(row["risk"]) for row in rows)
    assert any(line.startswith("DIVERGED: 4 trained networks") for line in remarks(result))


def test_refused_fits_are_counted_and_named():
    config = small_config()
    config.problem.dim, config.data.num_train = 2, 120
    config.model.activation = "erf"  # its kernels decay through rounding
    config.measure.exact, config.measure.max_degree, config.model.widths = False, -1, (8,)
    config.predictors.methods = ("random_features", "nngp", "ntk")
    result = prepare(config).run()
    assert not result.diverged
    rows = {(row["method"], row["width"]): row for row in summary_rows(result.metrics)}
    refused = {key: row["refused"] for key, row in rows.items()}
    assert refused == {
        ("nngp", None): 2,
        ("ntk", None): 2,
        ("random_features", 8): 0,
    }
    assert all(row["diverged"] == 0 for row in rows.values())
    assert all(np.isnan(rows[name, None]["risk"]) for name in ("nngp", "ntk"))
    assert np.isfinite(rows["nngp", None]["train_loss"])
    lines = [line for line in remarks(result) if line.startswith("REFUSED")]
    assert [line.split(":")[1] for line in lines] == [" nngp (2 fits)", " ntk (2 fits)"]
    assert "condition number" in lines[0]
    needed = result.metrics["ridge_needed"].max()
    config.predictors.ridge = 1.01 * float(needed)
    again = prepare(config).run()
    assert np.all(np.isfinite(again.metrics["risk"]))
    assert not any(line.startswith("REFUSED") for line in remarks(again))


def test_a_refused_fit_leaves_its_cell_without_a_mean(result):
    metrics = result.metrics.copy()
    one = (metrics["method"] == "nngp") & np.isinf(metrics["time"]) & (metrics["seed"] == 0)
    assert one.sum() == 1
    metrics.loc[one, "risk"] = np.nan
    table = overview(metrics)
    assert np.isnan(table["nngp"]).all()
    assert np.isfinite(table[["ntk", "network", "random_features"]]).all(axis=None)


def test_divergent_step_size_is_refused_before_training():
    config = small_config()
    config.training.learning_rate = "100.0"
    with pytest.raises(RequirementError, match="training.learning_rate must be below"):
        prepare(config)


def test_summary_has_means_errors_and_exponents(result):
    found = Training().analyse(result)
    row = next(
        r
        for r in found["final"]
        if (r["method"], r["width"], r["lazy_scale"]) == ("network", 8, 10)
    )
    final = final_rows(result.metrics)
    cell = final[
        (final["method"] == "network") & (final["width"] == 8) & (final["lazy_scale"] == 10)
    ]
    risks = cell["risk"].to_numpy()
    assert row["seeds"] == 2
    assert row["risk"] == risks.mean()
    error = abs(risks[0] - risks[1]) / 2
    rtol = rounding(8, risks.sum() / abs(risks[0] - risks[1]))
    np.testing.assert_allclose(row["risk_se"], error, rtol=rtol)
    names = {(r["lazy_scale"], r["measurement"]) for r in found["exponents"]}
    assert (10.0, "weight_movement") in names


def test_overview_has_a_row_per_width_and_scale(result):
    table = overview(result.metrics)
    assert list(table["width"]) == [8, 32, 8, 32]
    assert list(table["parameters"]) == [48, 192, 48, 192]
    final = final_rows(result.metrics)
    ntk = final[(final["method"] == "ntk")]["risk"].mean()
    np.testing.assert_allclose(table["ntk"], ntk)


def test_empty_columns_are_null():
    table = metrics_table([{"method": "nngp", "seed": 0, "risk": 1.0}], 2.0)
    assert table["relative_risk"][0] == 0.5
    assert table["width"].isna().all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00031, "3.1e-4"), (0.27, "0.27"), (4.12, "4.1"), (123.4, "123"), (1.2e7, "1.2e7")],
)
def test_short_numbers(value, text):
    assert short_number(value) == text
    assert len(text) <= 7
