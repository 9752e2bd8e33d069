"""The lazy limit beside measured risks: which p, where it is known, and that it holds."""

import numpy as np
import pytest

from rf_limits.experiments.approximation import prepare as prepare_approximation
from rf_limits.experiments.certificate import certificate, has_lazy_limit, num_fixed_functions
from rf_limits.experiments.defaults import approximation_config
from rf_limits.experiments.training import prepare, remarks
from rf_limits.theory.lazy_limit import lazy_limit
from tests.chance import standard_errors
from tests.experiments.conftest import small_config
from tests.variants import kept


def row(method, width=8, parameters=48, step=10):
    """A row of the metrics table."""
    return {"method": method, "width": width, "parameters": parameters, "step": step}


def test_number_of_fixed_functions():
    config = small_config()  # 40 samples
    assert num_fixed_functions(config, row("network")) == 40
    assert num_fixed_functions(config, row("network", parameters=30)) == 30
    assert num_fixed_functions(config, row("random_features")) == 8
    assert num_fixed_functions(config, row("tangent_features")) == 40
    assert num_fixed_functions(config, row("ntk")) == 40
    config.model.centring = "none"
    assert num_fixed_functions(config, row("linearized")) == 41
    assert num_fixed_functions(config, row("tangent_features")) == 40
    config.model.centring = "antisymmetric"
    config.data.kind, config.training.batch_size = "stream", 3
    assert num_fixed_functions(config, row("network")) == 30
    config.data.kind, config.training.batch_size = "population", None
    assert num_fixed_functions(config, row("network")) == 48


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({}, True),
        ({"bias": 0.5}, True),
        ({"inputs": "sphere"}, True),
        ({"inputs": "sphere", "bias": 0.5}, False),
        ({"target": "teacher"}, False),
        ({"dim": 1}, False),
    ],
)
def test_where_the_limit_is_known(fields, known):
    config = small_config()
    config.problem.update(fields)
    assert has_lazy_limit(config) == known


def test_certificate():
    found = certificate({"risk": 0.1, "risk_se": 0.01, "lazy_limit": 0.15})
    assert found["below_lazy_limit"]
    np.testing.assert_allclose(found["lazy_limit_margin_se"], 5.0)
    assert not certificate({"risk": 0.2, "risk_se": 0.01, "lazy_limit": 0.15})["below_lazy_limit"]
    assert certificate({"risk": 0.1, "lazy_limit": 0.15})["lazy_limit_margin_se"] is None
    assert certificate({"risk": float("nan"), "lazy_limit": 0.15}) == {}
    assert certificate({"risk": 0.1}) == {}


def test_feature_learning_is_certified_and_lazy_training_is_not():
    """A small lazy scale goes below R*(min(parameters, n)), a large one cannot."""
    config = small_config()
    config.problem.dim, config.data.num_train = 20, 512
    config.model.widths, config.model.lazy_scales = (32,), (0.1, 10.0)
    config.training.steps, config.seeds = 400, 3
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    lines = remarks(prepare(config).run())
    found = [line for line in lines if line.startswith("Below the lazy limit")]
    assert len(found) == 1
    assert "N = 32 scale 0.1" in found[0]
    assert "scale 10" not in found[0]


def small_approximation():
    """Seconds, not minutes."""
    config = approximation_config()
    config.dims, config.widths = (6,), (4, 16, 64)
    config.max_tangent_features, config.seeds, config.tangent_seeds = 120, 4, 4
    return config


def test_approximation_table():
    metrics = prepare_approximation(small_approximation()).run().metrics
    measured = metrics[metrics["method"] != "lazy_limit"]
    nt = measured[measured["method"] == "tangent_features"]
    assert set(nt["num_features"]) == {24, 96, 120}
    assert np.all(measured["risk"] > 0)
    assert np.all(measured["relative_risk"] == 2 * measured["risk"])
    for _, curve in measured.groupby(["method", "dim", "seed"]):
        assert np.all(np.diff(curve.sort_values("num_features")["risk"]) < 0)
    np.testing.assert_allclose(
        measured["size_times_weight"], measured["num_features"] * measured["max_weight"]
    )
    both = measured[measured["width"] == 16].pivot_table(
        index=["dim", "seed"], columns="method", values="risk"
    )
    assert np.all(both["tangent_features"] < both["random_features"])  # NT contains RF


def check_against_limit(config):
    """Mean risks of every (method, dim, size) against R*; the number of settings compared."""
    metrics = prepare_approximation(config).run().metrics
    groups = metrics.groupby(["method", "dim", "num_features"])["risk"]
    for (method, dim, size), risks in groups:
        assert len(risks) == 8
        limit = float(lazy_limit(int(size), int(dim)))
        error = risks.std() / np.sqrt(8)
        slack = standard_errors(8, len(groups)) * error
        assert risks.mean() > limit - slack - 1e-12, (method, dim, size)
    return len(groups)


@pytest.mark.slow
def test_no_mean_tangent_risk_is_below_the_limit():
    """24 settings more, of up to 12 neurons with all their tangent features."""
    config = small_approximation()
    config.methods = ("tangent_features",)
    config.dims, config.widths = (2, 9), tuple(range(1, 13))
    config.max_tangent_features, config.tangent_seeds, config.ridge = 109, 8, 1e-13
    assert check_against_limit(config) >= 24


@pytest.mark.parametrize("activation", kept(["relu", "erf", "fourier"], ["fourier"]))
@pytest.mark.parametrize("weights", kept(["gaussian", "sphere"], ["sphere"]))
def test_no_mean_risk_is_below_the_limit(activation, weights):
    """216 settings in all: 6 kinds of features x 3 dimensions x 12 sizes."""
    config = small_approximation()
    config.methods = ("random_features",)
    config.dims, config.widths, config.seeds = (2, 4, 9), tuple(range(1, 13)), 8
    config.features.activation, config.features.weights = activation, weights
    config.features.bias = activation != "relu"
    config.features.scale = 1.5
    config.ridge = 1e-13
    assert check_against_limit(config) == 36
