"""The lazy limits beside measured risks: where they hold, what is certified, and how surely."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from rf_limits import default_config
from rf_limits.analysis.certificate import LEVEL, certificate_lines, certificates, seeds_for_half
from rf_limits.analysis.limits import (
    FEATURES,
    LIMITS,
    SAMPLES,
    add_limits,
    lazy_family,
    one_limit,
)
from rf_limits.analysis.tables import final_rows, summary_rows
from rf_limits.config import frozen
from rf_limits.studies import prepare as prepare_experiment
from rf_limits.studies.training import limit_lines
from rf_limits.theory.bounds.lazy_limit import lazy_limit
from rf_limits.training.run import prepare
from tests.chance import standard_errors
from tests.experiments.conftest import remarks, small_config
from tests.variants import kept


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({}, True),
        ({"bias": 0.5}, True),
        ({"inputs": "sphere"}, True),
        ({"inputs": "sphere", "bias": 0.5}, True),
        ({"inputs": "sphere", "bias": 0.5, "dim": 2}, False),
        ({"target": "teacher"}, True),
        ({"target": "teacher", "bias": -0.5, "inputs": "sphere"}, True),
        ({"target": "polynomial"}, True),
        ({"target": "hermite"}, True),
        ({"dim": 1}, False),
    ],
)
def test_where_the_limit_is_known(fields, known):
    config = small_config()
    config.problem.update(fields)
    assert (lazy_family(frozen(config)) is not None) == known


def networks(risks, *, features=0.02, samples=0.01, moment=0.5, **cell):
    """Final rows of networks of one cell."""
    cell = {"width": 16, "lazy_scale": 0.1} | cell
    rows = pd.DataFrame({"risk": np.asarray(risks, float), "seed": range(len(risks))})
    limits = {FEATURES.column: features, SAMPLES.column: samples, "second_moment": moment}
    return rows.assign(method="network", time=1.0, step=1, **limits, **cell)


def test_many_runs_certify_and_few_do_not():
    spread = np.random.default_rng(0).uniform(0.0, 0.004, 700)
    both = certificates(networks(spread))
    assert [one.limit for one in both] == [FEATURES, SAMPLES]
    assert all(one.holds and one.tests == 2 for one in both)
    # p-values, runs that would be enough: half of the sum of both limits' logarithms fits neither
    assert both[0].p_value < both[1].p_value < LEVEL
    assert both[0].needed < both[1].needed < 700
    few = certificates(networks(spread[:3]))
    assert all(one.below and not one.holds and one.p_value > 0.8 for one in few)
    lines = certificate_lines(few)
    assert lines[0].startswith("Below R*(P), 3 seeds: no certificate; if the expected risk is ")
    assert f"{few[0].needed:.0f} ({few[0].planned:.0f}) at N = 16, scale 0.1" in lines[0]
    assert lines[1].startswith("Below R*(n), 3 seeds: no certificate")
    assert lines[2].startswith("The first number of seeds is for constant risks, ")
    sure = certificate_lines(both)
    assert all(line.startswith("CERTIFIED: expected risk below R*(") for line in sure)
    assert "level 0.001" in sure[0]
    assert "none can have a risk above E f*^2" in sure[0]
    assert "of rotation-invariant law" in sure[0]
    assert "rotation-invariant kernel methods" in sure[1]
    assert not any("features were learned" in line for line in (*lines, *sure))


def test_the_number_of_runs_grows_with_what_is_looked_at():
    """A risk of 4.6e-4 against R*(336): 510, 645 and 686 runs for one, nine and eighteen tests."""
    found = []
    for cells, limits in ((1, 1), (9, 1), (9, 2)):
        table = pd.concat(
            networks(
                [4.6e-4] * 3, features=9.40776e-3, samples=(math.nan, 9.3e-3)[limits - 1], width=n
            )
            for n in range(1, cells + 1)
        )
        one = certificates(table)[0]
        assert one.tests == cells * limits
        found.append(one.needed)
    np.testing.assert_allclose(found, (510, 645, 686), rtol=0.01)


@pytest.mark.parametrize("worst", [0.51, math.nan, math.inf])
def test_a_run_that_breaks_the_premise_ends_the_certificate(worst):
    risks = np.full(700, 1e-3)
    assert all(one.holds for one in certificates(networks(risks)))
    risks[5] = worst
    assert not any(one.holds for one in certificates(networks(risks)))
    found = certificates(networks(risks))
    assert all(one.p_value == 1.0 and one.broken == 1 for one in found)
    assert all(one.needed == one.planned == math.inf for one in found)
    if worst == 0.51:
        assert certificate_lines(found) == [
            f"Below {limit}, no certificate at N = 16, scale 0.1: 1 of 700 runs have a risk above "
            "E f*^2, which the test does not allow."
            for limit in ("R*(P)", "R*(n)")
        ]


def test_the_risk_of_predicting_zero_may_be_rounded():
    risks = np.append(np.full(700, 1e-3), 0.5 * (1.0 + 2**-52))
    assert all(one.holds for one in certificates(networks(risks)))


def test_above_the_limit_nothing_is_said():
    found = certificates(networks([0.03] * 50))
    assert not any(one.below or one.holds for one in found)
    assert all(one.needed == math.inf for one in found)
    assert certificate_lines(found) == []
    assert found[0].columns()["features_runs_needed"] is None


def test_cells_of_one_table_are_corrected_together():
    """Holm: the surest of k cells pays for k tests, the least sure for one."""
    risks = np.full(560, 2e-3)
    alone = certificates(networks(risks, samples=math.nan))[0]
    many = pd.concat(networks(risks, samples=math.nan, width=n) for n in range(10))
    together = certificates(many)
    assert alone.holds
    assert len(together) == 10
    np.testing.assert_allclose(together[0].p_value, 10 * alone.p_value)
    rows = summary_rows(many)
    assert all(row["features_p_value"] == pytest.approx(10 * alone.p_value) for row in rows)
    assert all("samples_p_value" not in row for row in rows)


def test_seeds_for_half_of_a_limit():
    """At half of the limit, for 18 tests."""
    config = default_config()
    config.model.widths, config.model.lazy_scales = (16, 128, 1024), (0.1, 1.0, 10.0)
    found = seeds_for_half(frozen(config))
    assert set(found) == {"R*(P)", "R*(n)"}
    shares = np.array([lazy_limit(p, 20) / 0.5 for p in (336, 2688, 21504)])
    # (B/m) (18 + what 18 tests add): 25 B/m by the small-limit law of tests/measure
    needed, planned = np.transpose(found["R*(P)"])
    np.testing.assert_allclose(needed, 24.9 / shares, rtol=0.02)
    np.testing.assert_allclose(planned, 1.25 * needed, rtol=0.02)
    assert len(set(found["R*(n)"])) == 1
    config.data.seed = 1
    assert set(seeds_for_half(frozen(config))) == {"R*(P)"}
    config.measure.exact = False  # all seeds share the test set
    assert seeds_for_half(frozen(config)) == {}
    config.predictors.methods = ("ntk",)
    assert seeds_for_half(frozen(config)) == {}


def test_shared_data_have_no_certificate_against_the_samples():
    """The risk is below R*(2) = 0.229 with hardly a movement: R*(n) is a mean over data."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.data.seed = 3, 2, 1
    config.model.widths, config.model.lazy_scales, config.seeds = (4096,), (100.0,), 3
    config.training.steps, config.training.log_points = 1000, 2
    config.predictors.methods = ("network",)
    config.measure.max_degree, config.measure.num_probe = -1, 2
    result = prepare(config).run()
    row = next(row for row in summary_rows(result.metrics) if row["method"] == "network")
    assert row["weight_movement"] < 1e-3
    np.testing.assert_allclose(lazy_limit(2, 3), 0.229, atol=5e-4)
    np.testing.assert_allclose(row["risk"], 0.0518, atol=5e-4)
    assert result.metrics[SAMPLES.column].isna().all()
    assert not row["features_certified"]
    lines = remarks(result)
    assert any(line.startswith("No certificate against R*(n): it is a mean over") for line in lines)
    assert not any("learned" in line for line in lines)


@pytest.mark.parametrize(
    ("fields", "error", "features", "samples"),
    [
        ({}, 0.0, True, True),
        ({}, 0.1, True, True),
        ({"data.seed": 1}, 0.0, True, False),
        ({"data.seed": 1}, 0.1, False, False),
        ({"data.kind": "population"}, 0.0, True, False),
        ({"data.kind": "stream", "data.seed": 1, "training.batch_size": 3}, 0.0, True, True),
        ({"data.kind": "stream", "data.seed": 1, "training.batch_size": 3}, 0.1, False, False),
    ],
)
def test_which_limits_bound_a_mean_over_seeds(fields, error, features, samples):
    """By how data are drawn and risks are measured: exactly, or on a test set."""
    config = small_config()
    config.update(fields)
    row = {"method": "network", "width": 8, "parameters": 48, "step": 10, "risk": 0.1}
    table = add_limits(pd.DataFrame([row | {"risk_standard_error": error}]), frozen(config))
    assert [bool(table[limit.column].notna().all()) for limit in LIMITS] == [features, samples]


def test_the_output_layer_alone_sees_fresh_samples_of_a_stream_too():
    """Like the network beside it; fitted features see the set that seeds share."""
    config = small_config()
    config.data.kind, config.data.seed, config.training.batch_size = "stream", 1, 3
    rows = [
        {"method": method, "width": 8, "parameters": 48, "step": 10, "risk_standard_error": 0.0}
        for method in ("network", "rf_descent", "random_features", "ntk")
    ]
    table = add_limits(pd.DataFrame(rows), frozen(config))
    assert table[SAMPLES.column].notna().tolist() == [True, True, False, False]


def test_one_limit_for_figures():
    rows = pd.DataFrame(
        {
            "method": ["network", "ntk", "linearized", "nngp"],
            FEATURES.column: [0.01, math.nan, 0.01, math.nan],
            SAMPLES.column: [0.02, 0.02, 0.02, math.nan],
        }
    )
    np.testing.assert_array_equal(one_limit(rows), [0.01, 0.02, 0.02, math.nan])
    assert one_limit(rows[["method"]]).isna().all()


def test_limits_that_are_not_known():
    config = small_config()
    config.problem.dim = 1
    table = add_limits(
        networks([0.1]).drop(columns=[limit.column for limit in LIMITS]), frozen(config)
    )
    assert limit_lines(table)[0].startswith("No lazy limit R* bounds these means")
    assert certificates(final_rows(table)) == []


def test_feature_learning_is_below_both_limits_and_lazy_training_is_not():
    """A small lazy scale goes below R*(P) and R*(n), a large one cannot; no certificate yet."""
    config = small_config()
    config.problem.dim, config.data.num_train = 20, 512
    config.model.widths, config.model.lazy_scales = (32,), (0.1, 10.0)
    config.training.steps, config.seeds = 400, 3
    config.predictors.methods, config.measure.max_degree = ("network",), -1
    lines = remarks(prepare(config).run())
    found = [line for line in lines if line.startswith("Below R*(")]
    assert [line.split(",")[0] for line in found] == ["Below R*(P)", "Below R*(n)"]
    assert all("no certificate" in line for line in found)
    assert all("N = 32, scale 0.1" in line for line in found)
    assert not any("scale 10" in line for line in found)


def unit_gram(w):
    """E relu(<v, x>) relu(<w, x>) for unit vectors, in closed form."""
    cosines = np.clip(w @ w.T, -1.0, 1.0)
    angles = np.arccos(cosines)
    return (np.sin(angles) + (math.pi - angles) * cosines) / (2.0 * math.pi)


NONNEGATIVE = {"dim": 5, "samples": 64, "features": 16_000, "draws": 30}


def nonnegative_risk(seed):
    """Exact risk of nonnegative least squares on unit ReLU features, target relu(x_1)."""
    dim, samples, features, _ = NONNEGATIVE.values()
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(features, dim))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    x = rng.normal(size=(samples, dim))
    u, _ = optimize.nnls(np.maximum(x @ w.T, 0.0), np.maximum(x[:, 0], 0.0))
    used = np.flatnonzero(u)
    both = np.concatenate([np.eye(1, dim), w[used]])
    signs = np.concatenate([[-1.0], u[used]])
    return float(signs @ unit_gram(both) @ signs)


def test_methods_outside_the_span_of_the_samples_are_not_bounded_by_them():
    """Nonnegative weights on random features: below R*(64), above R*(16000) as they must be.

    "No fixed features do that" would be false of a network below R*(n) alone.
    """
    risks = np.array([nonnegative_risk(seed) for seed in range(NONNEGATIVE["draws"])])
    limit = float(lazy_limit(NONNEGATIVE["samples"], NONNEGATIVE["dim"]))
    np.testing.assert_allclose(limit, 2.50e-3, atol=5e-6)
    mean, error = risks.mean(), risks.std(ddof=1) / math.sqrt(len(risks))
    assert mean + standard_errors(len(risks), 1) * error < limit
    assert risks.mean() > lazy_limit(NONNEGATIVE["features"], NONNEGATIVE["dim"])


@pytest.mark.parametrize(("dim", "width", "share"), [(3, 2, 0.34), (5, 16, 0.20), (20, 100, 0.04)])
def test_a_single_draw_below_the_limit_proves_nothing(dim, width, share):
    """The best risk of fixed features is below R* in many draws, and not on average."""
    rng, risks = np.random.default_rng(dim), []
    for _ in range(400):
        w = rng.normal(size=(width + 1, dim))
        gram = unit_gram(w / np.linalg.norm(w, axis=1, keepdims=True))
        risks.append(gram[0, 0] - gram[0, 1:] @ np.linalg.solve(gram[1:, 1:], gram[0, 1:]))
    risks, limit = np.array(risks), lazy_limit(width, dim)
    below = int(np.sum(risks < limit))
    assert stats.binomtest(below, 400, share).pvalue > 1e-6
    error = risks.std(ddof=1) / math.sqrt(400)
    assert risks.mean() > limit + standard_errors(400, 3) * error


def kernel_risks(dim, samples, draws):
    """Exact risks of NNGP regression on as many training sets, beside R*(n)."""
    config = small_config()
    config.problem.dim, config.data.num_train, config.data.num_test = dim, samples, 2
    config.model.widths, config.model.lazy_scales = (2,), (1.0,)
    config.predictors.methods, config.measure.max_degree = ("nngp",), -1
    config.seeds = draws
    metrics = prepare(config).run().metrics
    return metrics["risk"].to_numpy(float), metrics["samples_limit"].iloc[0]


def false_certificates(risks, limit, runs):
    """How many groups of so many runs are certified, and how many groups there are."""
    groups = risks[: len(risks) // runs * runs].reshape(-1, runs)
    tables = (networks(group, features=math.nan, samples=limit) for group in groups)
    return sum(certificates(table)[0].holds for table in tables), len(groups)


SETTINGS = [
    (dim, n)
    for dim, sizes in {
        2: (1, 2, 3, 4, 5),
        3: (1, 2, 5, 10, 20, 40),
        5: (1, 5, 10, 20, 50, 100),
        10: (1, 5, 20, 60, 100, 200),
        20: (1, 5, 10, 20, 50, 100, 200),
    }.items()
    for n in sizes
]


@pytest.mark.parametrize(
    ("dim", "samples"),
    [
        pytest.param(*one, marks=() if one in ((2, 2), (3, 10)) else pytest.mark.slow)
        for one in SETTINGS
    ],
)
def test_kernels_are_not_certified(dim, samples):
    """In 30 settings of exact kernel methods, whose means lie above the limit; of fixed draws.

    (That the level holds is Markov's inequality: tests/measure/test_bounded_mean.py has its
    extreme case.)
    """
    assert len(SETTINGS) == 30
    risks, limit = kernel_risks(dim, samples, 400 if samples <= 20 else 100)
    assert risks.mean() > limit
    for runs in (5, 20, 50):
        found, groups = false_certificates(risks, limit, runs)
        assert found == 0
        assert groups == len(risks) // runs


def circle_risks(draws, seed):
    """Exact risks of NNGP regression on two samples at d = 2, without the package.

    Predictor and target are homogeneous, so that only angles count: means over a fine grid.
    """

    def kernel(angle):
        folded = np.abs((angle + np.pi) % (2.0 * np.pi) - np.pi)
        return (np.sin(folded) + (np.pi - folded) * np.cos(folded)) / (2.0 * np.pi)

    at = np.random.default_rng(seed).uniform(-np.pi, np.pi, (draws, 2))
    near, grid = kernel(at[:, 1] - at[:, 0]), np.linspace(-np.pi, np.pi, 400, endpoint=False)
    y = np.maximum(np.cos(at), 0.0)
    c = (0.5 * y - near[:, None] * y[:, ::-1]) / (0.25 - near**2)[:, None]
    found = sum(c[:, i, None] * kernel(grid - at[:, i, None]) for i in range(2))
    return 2.0 * np.mean((found - np.maximum(np.cos(grid), 0.0)) ** 2, axis=1)


def test_student_certifies_falsely():
    """At a nominal 0.1%, five seeds of an exact kernel method: 1.1%; the bounded test: none."""
    risks, limit = circle_risks(20_000, 0), float(lazy_limit(2, 2))
    mean, limit_of_package = kernel_risks(2, 2, 400)[0].mean(), kernel_risks(2, 2, 2)[1]
    assert limit == pytest.approx(limit_of_package, rel=1e-14)  # |w*| is that of a vector
    np.testing.assert_allclose(mean, risks.mean(), atol=6.0 * risks.std() / math.sqrt(400))
    groups = risks.reshape(-1, 5)
    error = groups.std(axis=1, ddof=1) / math.sqrt(5)
    p_values = stats.t.cdf((groups.mean(axis=1) - limit) / np.maximum(error, 1e-300), 4)
    rejected = int(np.sum(p_values <= LEVEL))
    assert stats.binomtest(rejected, len(groups), 0.0108).pvalue > 1e-6
    assert stats.binom.sf(rejected - 1, len(groups), LEVEL) < 1e-6
    assert false_certificates(risks[:1000], limit, 5)[0] == 0
    np.testing.assert_allclose(stats.t.sf(3.0, 2), 0.0477, atol=5e-5)  # of three standard errors


def small_approximation():
    """Seconds, not minutes."""
    config = default_config("approximation")
    config.dims, config.widths = (6,), (4, 16, 64)
    config.max_tangent_features, config.seeds, config.tangent_seeds = 120, 4, 4
    return config


def test_approximation_table():
    metrics = prepare_experiment(small_approximation()).run().metrics
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
    metrics = prepare_experiment(config).run().metrics
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
