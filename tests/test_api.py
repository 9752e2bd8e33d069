"""The way in from Python: what predicts is what was measured, and importing stays light."""

import copy
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import rf_limits
from rf_limits import RequirementError, default_config, plot, train
from rf_limits.analysis.tables import final_rows
from rf_limits.problem import sample_inputs
from tests.rounding import rounding

METHODS = (
    "network",
    "linearized",
    "rf_descent",
    "random_features",
    "tangent_features",
    "nngp",
    "ntk",
)
FITTED = METHODS[3:]
FRESH = sample_inputs(jax.random.key(7), "gaussian", 20_000, 3)


@pytest.fixture(scope="module")
def config():
    """Every method; two of everything; float64, a ridge, so that no training loss is rounding."""
    config = default_config()
    config.problem.dim, config.problem.noise = 3, 0.1
    config.data.num_train, config.data.num_test = 30, 50
    config.model.widths, config.model.lazy_scales, config.seeds = (4, 6), (0.5, 2.0), 2
    config.training.steps, config.training.log_points = 30, 2
    config.predictors.methods, config.predictors.ridge = METHODS, 0.05
    config.measure.max_degree, config.precision = -1, "float64"
    return config


@pytest.fixture(scope="module")
def result(config):
    return train(config)


def row(result, method, width, scale, seed):
    """The last row of one predictor, and the arguments that name it."""
    rows = final_rows(result.metrics)
    rows = rows[(rows["method"] == method) & (rows["seed"] == seed)]
    named = {"seed": seed}
    for name, value in (("width", width), ("lazy_scale", scale)):
        if rows[name].notna().any():
            rows, named[name] = rows[rows[name] == value], value
    (_, found), *rest = rows.iterrows()
    assert not rest
    return found, named


@pytest.mark.parametrize("method", METHODS)
def test_predictions_are_what_the_table_measured(result, method):
    for width, scale, seed in [(4, 0.5, 0), (6, 2.0, 1)]:
        found, named = row(result, method, width, scale, seed)
        data = result.data(seed)
        error = result.predict(data.x_train, method, **named) - data.y_train
        # terms as large as the labels times the condition number, or as a network's neurons
        terms = found["condition_number"] if method in FITTED else 2.0 * width
        room = rounding(100, terms) * np.max(np.abs(data.y_train))
        loss = np.mean(error**2)
        np.testing.assert_allclose(
            loss, found["train_loss"], rtol=0, atol=2.0 * room * np.sqrt(loss)
        )
        x = jnp.concatenate([data.x_train, FRESH])
        y = np.asarray(result.predict(x, method, **named))
        np.testing.assert_allclose(y[:30], error + data.y_train, rtol=0, atol=room)
        assert found["risk_standard_error"] == 0.0
        # 6 standard errors of a mean of 20,000: false alarms below 1e-7
        target = result.predictors.training.problem.target
        square = (y[30:] - np.asarray(target(FRESH))) ** 2
        standard_error = square.std(ddof=1) / np.sqrt(square.size)
        assert abs(square.mean() - found["risk"]) < 6.0 * standard_error


def test_numbers_are_those_of_the_command_line(config, result):
    from rf_limits.training.run import prepare

    plain = prepare(config).run()
    np.testing.assert_array_equal(
        plain.metrics["risk"].to_numpy(float), result.metrics["risk"].to_numpy(float)
    )
    assert plain.choices == result.choices


def test_parameters_moved_from_where_they_began(result):
    after, before = result.params(width=6, lazy_scale=0.5, seed=1)
    found, _ = row(result, "network", 6, 0.5, 1)
    first, last = (p["params"]["hidden_kernel"] for p in (before, after))
    norms = [np.linalg.norm(np.asarray(w)) for w in (last - first, first, last)]
    room = rounding(first.size + 3, (norms[1] + norms[2]) / norms[0])
    np.testing.assert_allclose(norms[0] / norms[1], found["weight_movement"], rtol=room)


def test_a_predictor_takes_numpy_and_refuses_another_dimension(result):
    f = result.predictor("ntk")
    assert f(np.zeros((2, 3))).shape == (2,)
    with pytest.raises(RequirementError, match=r"x must have shape \(m, 3\).*\(2, 4\)"):
        f(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"width": 5}, "width must be one of 4, 6, but received 5"),
        ({}, "width must be one of 4, 6, but received None"),
        ({"width": 4, "lazy_scale": 3.0}, "lazy_scale must be one of 0.5, 2, but received 3.0"),
        ({"width": 4, "lazy_scale": 0.5, "seed": 2}, "seed must be from 0 to 1"),
        ({"method": "netwrok"}, "Did you mean 'network'"),
    ],
)
def test_what_is_not_there_is_refused(result, asked, message):
    with pytest.raises(RequirementError, match=message):
        result.predict(np.zeros((1, 3)), **asked)


def test_a_refused_fit_predicts_nothing(config):
    other = copy.deepcopy(config)
    other.problem.dim, other.data.num_train, other.model.widths = 2, 120, (4,)
    other.predictors.methods, other.predictors.ridge = ("nngp",), 0.0
    other.measure.exact, other.seeds, other.model.activation = False, 1, "erf"
    found = train(other)
    assert np.isnan(found.metrics["risk"].iloc[0])
    with pytest.raises(RequirementError, match=r"predictors\.ridge must be above .* nngp"):
        found.predictor("nngp")


def test_a_result_does_not_follow_its_config(result, config):
    before = result.predict(np.ones((1, 3)), "nngp")
    kept, config.predictors.ridge = config.predictors.ridge, 100.0
    result.predictors._problems.clear()
    after = result.predict(np.ones((1, 3)), "nngp")
    config.predictors.ridge = kept
    np.testing.assert_array_equal(before, after)


def test_only_training_configs():
    from rf_limits import default_config

    with pytest.raises(RequirementError, match="config must be made by default_config"):
        train(default_config("hardness"))


def test_figures_and_table(result):
    figures = plot(result)
    assert next(iter(figures)) == "risk_against_width"
    assert all(isinstance(figure, Figure) for figure in figures.values())
    table = result.table()
    assert list(table["width"]) == [4, 6, 4, 6]
    assert result.remarks()[0].startswith("Target")


def test_importing_is_light_and_names_are_there():
    code = (
        "import sys, rf_limits; "
        "assert not {'pandas', 'matplotlib', 'flax', 'optax', 'scipy'} & set(sys.modules); "
        "assert {'train', 'plot'} <= set(dir(rf_limits)); "
        "assert not hasattr(rf_limits, 'trian')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    from rf_limits import api

    assert rf_limits.__all__ == api.__all__
    assert all(getattr(rf_limits, name) is getattr(api, name) for name in api.__all__)
