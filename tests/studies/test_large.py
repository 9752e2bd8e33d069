"""Large jobs, small: both solvers agree, theory stands beside, what cannot be is refused."""

import json
import pathlib
import re
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pandas as pd
import psutil
import pytest

from rf_limits import default_config
from rf_limits.analysis.expected_risks import around_peak
from rf_limits.config import frozen
from rf_limits.errors import RequirementError
from rf_limits.models.features import random_features
from rf_limits.models.network import hidden_weights, init_params, make_network
from rf_limits.problem import make_problem
from rf_limits.problem.seeds import streams
from rf_limits.regression.streamed.conjugate_gradients import State
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.runs.store import plain
from rf_limits.studies import prepare
from rf_limits.studies.large import large
from rf_limits.studies.large.plan import plan_fit
from rf_limits.studies.large.states import States
from rf_limits.studies.large.validation import SIZES
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from tests.experiments.conftest import changed
from tests.keeping import MemoryKeep, run_in_pieces
from tests.rounding import rounding
from tests.variants import kept

ROOT = pathlib.Path(__file__).parents[2]


def small_config(**fields):
    config = default_config("large")
    config.problem.dim, config.widths, config.nums_train, config.seeds = 5, (30,), (400,), 1
    config.block_size, config.kernel_points = 100, 80
    config.update(fields)
    return config


def findings(result):
    """What is said of a result; nothing of it depends on the config."""
    return large.Large().findings(result)


def fits_of(**fields):
    return prepare(small_config(**fields)).run()


@pytest.fixture(scope="module")
def result():
    return fits_of(solver="cg", methods=("random_features", "ntk"))


def test_cg_gives_the_risk_of_cholesky(result):
    direct = fits_of(solver="cholesky", methods=("random_features", "ntk"))
    iterative = large.final_fits(result.metrics)
    exact = large.final_fits(direct.metrics)
    assert list(exact["solver"]) == ["cholesky"] * 2
    # the excess is quadratic in the distance, risks differ by twice its root at most
    room = 2.0 * np.sqrt(iterative["excess_bound"].max() * 400)
    assert room < 1e-5
    risks = exact["risk"].to_numpy(), iterative["risk"].to_numpy()
    np.testing.assert_allclose(*risks, rtol=0, atol=room)
    losses = exact["train_loss"].to_numpy(), iterative["train_loss"].to_numpy()
    np.testing.assert_allclose(*losses, rtol=0, atol=room)


def test_history_ends_at_the_tolerance(result):
    history = result.metrics[result.metrics["iteration"].notna()]
    for row in large.final_fits(result.metrics).itertuples():
        same = history[history["method"] == row.method]
        assert len(same) == row.iterations + 1
        assert same["relative_residual"].iloc[0] == 1.0
        assert same["relative_residual"].iloc[-1] <= 1e-9
        assert row.relative_residual <= 1e-9


def test_table_summary_and_figures(result):
    summary, (_, heads, cells), remarks = findings(result)
    json.dumps(plain(summary), allow_nan=False)
    assert heads[:4] == ["method", "N", "n", "solver"]
    assert [row[:3] for row in cells] == [
        ["RF", "30", "400"],
        ["NTK", "-", "400"],
    ]
    assert all(row[3].startswith("cg, ") for row in cells)
    assert len(remarks) == 2  # the target, and that d = 5 is small for features
    assert "1.0 to 1.1 times these with ridge" in remarks[1]
    assert set(large.Large().figures(result.metrics)) == {"risk", "residuals"}


def test_theory_stands_beside(result):
    means = large.means(result.metrics)
    assert list(means["method"]) == ["random_features", "ntk"]
    # one draw of 400 samples; of only 30 features, whose theory has lengths fixed
    assert np.all(np.abs(np.log(means["risk"] / means["theory"])) < np.log([3, 1.5]))


@pytest.mark.parametrize(("features", "expected"), [(30, [23, 27, 29, 30, 31, 33, 37]), (1, [])])
def test_theory_is_sampled_at_the_peak(features, expected):
    """n = N and halves of the distance to it, as far as the numbers of samples go."""
    assert list(around_peak(features, 20, 40)) == expected
    assert features in around_peak(features, 1, 100)


def test_want_of_iterations_leaves_no_risk():
    result = fits_of(solver="cg", methods=("random_features",), max_iterations=2)
    (fit,) = large.final_fits(result.metrics).itertuples()
    assert np.isnan(fit.risk)
    assert not fit.is_solved
    assert fit.relative_residual > 1e-9
    assert fit.train_loss > 0.0
    summary, table, (*_, line) = findings(result)
    assert line.startswith("NOT SOLVED: random_features at N = 30, n = 400, seed 0: relative resid")
    assert "after 2 iterations" in line
    assert table.rows[0][4] == "nan"
    json.dumps(plain(summary), allow_nan=False)
    assert large.Large().figures(result.metrics)


def by_singular_values(config, width, num):
    """Risk of the exact ridge solution V s/(s^2 + ridge) U^T y, and what rounding may change."""
    problem, draws = make_problem(**vars(frozen(config).problem)), streams(0)
    network = make_network(width)
    params = init_params(network, draws.init, config.problem.dim)
    stream = SampleStream(problem, num, config.block_size)
    x, y = stream.collect(draws.data)
    phi = np.asarray(random_features(network, params, jnp.asarray(x)))
    u, s, vt = np.linalg.svd(phi, full_matrices=False)
    theta = vt.T @ (s / (s**2 + config.ridge) * (u.T @ y))
    # E (f - f*)^2 with the exact Gram matrix; E phi f* from the same, f* being one neuron
    hidden = hidden_weights(network, params)[0]
    weights = jnp.concatenate([hidden, problem.target.directions])
    gram = np.array(gaussian_gram(weights, None, weights, None, "relu"))
    gram[:-1] *= network.output_scale
    gram[:, :-1] *= network.output_scale
    full = np.append(theta, -1.0)
    condition = (s[0] / s[-1]) ** 2
    moved = rounding(10 * (num + width), condition=condition) * np.linalg.norm(y) / s[-1]
    risk = full @ gram @ full
    sizes = np.abs(full) @ np.abs(gram) @ np.abs(full)
    distance = moved * np.sqrt(np.trace(gram[:-1, :-1]))
    return risk, distance * (2.0 * np.sqrt(risk) + distance) + rounding(10 * width) * sizes


@pytest.mark.parametrize(
    ("dim", "width", "num", "ridge", "wrong"),
    [(20, 1000, 20, 1e-11, 0.49), (5, 100, 50, 1e-12, 0.26)],
)
def test_a_residual_that_does_not_fix_the_risk_is_no_solution(dim, width, num, ridge, wrong):
    """A residual below 1e-9, and the minimizer of another norm with more than twice the risk."""
    fields = {"methods": ("random_features",), "widths": (width,), "nums_train": (num,)}
    config = small_config(**fields, ridge=ridge, block_size=1024, solver="cg")
    config.problem.dim = dim
    exact, error = by_singular_values(config, width, num)
    assert exact < 0.5 * wrong
    result = prepare(config).run()
    (fit,) = large.final_fits(result.metrics).itertuples()
    assert fit.relative_residual <= 1e-9
    assert not fit.is_solved
    assert np.isnan(fit.risk)
    assert fit.risk_bound > wrong - exact
    line = findings(result).remarks[-1]
    assert re.search(r"fixes the risk to \S+ only; .* solver = 'cholesky' solves for n", line)

    config.solver = "auto"
    (fit,) = large.final_fits(prepare(config).run().metrics).itertuples()
    assert (fit.solver, fit.is_solved) == ("cholesky", True)
    assert abs(fit.risk - exact) <= error < 1e-5
    assert fit.risk_bound < 1e-6


def test_conjugate_gradients_without_a_ridge_say_why_nothing_is_certain():
    """Converged, but a residual fixes no risk without a bound on the least eigenvalue."""
    result = fits_of(solver="cg", methods=("random_features",), ridge=0.0)
    (fit,) = large.final_fits(result.metrics).itertuples()
    assert fit.relative_residual <= 1e-9
    assert not fit.is_solved
    line = findings(result).remarks[-1]
    assert "without a ridge no bound on the risk follows" in line
    assert "a positive ridge or solver = 'cholesky' makes it solvable" in line
    (fit,) = large.final_fits(
        fits_of(solver="cholesky", methods=("random_features",), ridge=0.0).metrics
    ).itertuples()
    assert fit.is_solved


def test_singular_matrices_leave_no_risk():
    """Linear features: 30 in 5 dimensions, without ridge."""
    config = small_config(methods=("random_features",), solver="cholesky", ridge=0.0)
    config.model.activation = "linear"
    result = prepare(config).run()
    (fit,) = large.final_fits(result.metrics).itertuples()
    assert np.isnan(fit.risk)
    assert "NOT SOLVED" in findings(result).remarks[-1]
    assert large.Large().figures(result.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_other_activations(activation):
    """tanh: no population Gram matrix, no exact risk; both solvers agree all the same."""
    risks = []
    for solver in ("cg", "cholesky"):
        config = small_config(solver=solver, nums_train=(90,), kernel_points=40)
        config.methods, config.num_test = ("random_features", "nngp"), 50
        config.model.activation, config.model.bias = activation, True
        result = prepare(config).run()
        risks.append(large.final_fits(result.metrics)["risk"].to_numpy())
        assert not result.metrics["method"].str.contains("theory").any()
    np.testing.assert_allclose(*risks, rtol=1e-5)  # residuals of 1e-9, ill-conditioned


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("methods", ("ntkk",), "Did you mean 'ntk'"),
        ("widths", (0,), "widths must be a whole number"),
        ("solver", "qr", "solver must be one of"),
        ("tolerance", 0.0, "tolerance must be finite and above 0"),
        ("ridge", -1.0, "ridge must be finite and at least 0"),
        ("preconditioner", "ichol", "preconditioner must be one of"),
        ("nums_train", (400, 400), "nums_train must hold each value once"),
    ],
)
def test_refusals(field, value, message):
    with pytest.raises(RequirementError, match=message):
        frozen(small_config(**{field: value})).check()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("problem.noise", 1e160, "problem.noise must be at most 1e"),
        ("problem.norm", 1e-157, "problem.norm must be from 1e-99 to 1e99"),
        ("problem.norm", 1e-80, "problem.norm and problem.bias must give a target"),
        ("problem.norm", 1e80, "problem.norm and problem.bias must give a target"),
        ("ridge", 1e300, "ridge must be 0 or between"),
        ("ridge", 1e-300, "ridge must be 0 or between"),
    ],
)
def test_sizes_beyond_float64_are_refused(field, value, message):
    config = small_config(solver="cg")
    with pytest.raises(RequirementError, match=message):
        frozen(changed(config, {field: value})).check()


@pytest.mark.parametrize("size", SIZES)
def test_extreme_sizes_that_are_accepted_scale(size):
    """f is linear in y: with no noise risks are those of a target of size 1 times the square."""
    found = []
    for norm in (1.0, size):
        config = small_config(methods=("random_features", "nngp"), solver="cg", nums_train=(90,))
        config.problem.norm, config.problem.noise = norm * 2.0**0.5, 0.0
        fits = large.final_fits(prepare(config).run().metrics)
        assert fits["is_solved"].all()
        found.append(fits["relative_risk"].to_numpy())
    np.testing.assert_allclose(*found, rtol=1e-2)  # what a solved fit promises


def test_a_ridge_as_large_as_accepted_leaves_nothing():
    config = small_config(solver="cg", ridge=SIZES[1])
    fits = large.final_fits(prepare(config).run().metrics)
    assert fits["is_solved"].all()
    np.testing.assert_allclose(fits["relative_risk"], 1.0, rtol=1e-12)  # f is 1e-57 or so


_MEMORY = """
import pathlib, re, sys
from rf_limits import default_config
from rf_limits.config import frozen
config = default_config("large")
config.methods, config.solver = (sys.argv[1],), sys.argv[2]
config.widths, config.nums_train, config.seeds = (int(sys.argv[3]),), (int(sys.argv[4]),), 1
planned = frozen(config).cost().bytes
frozen(config).prepare().run()
status = pathlib.Path("/proc/self/status").read_text()  # resource counts the parent's peak
print(planned, 1024.0 * float(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")
@pytest.mark.parametrize(
    "fit",
    [
        ("random_features", "cholesky", "1000", "3000"),
        *kept(
            [
                ("random_features", "cg", "1000", "3000"),
                ("random_features", "cholesky", "3000", "1000"),
                ("ntk", "cholesky", "1", "4000"),
                ("ntk", "cg", "1", "4000"),
            ],
            [],
        ),
    ],
    ids="-".join,
)
def test_planned_memory_is_an_upper_bound(fit):
    """Peak of a process of its own, interpreter and compiled programs included."""
    command = [sys.executable, "-c", _MEMORY, *fit]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    planned, used = map(float, done.stdout.split()[-2:])
    assert used <= planned


def test_refusals_of_combinations():
    with pytest.raises(RequirementError, match="ridge must be positive where nums_train is below"):
        frozen(small_config(ridge=0.0, nums_train=(20,))).check()
    config = small_config(preconditioner="population")
    config.model.activation = "tanh"
    with pytest.raises(RequirementError, match="preconditioner must be sample, none or auto"):
        frozen(config).check()
    config = small_config()
    config.mesh.seeds = 2
    with pytest.raises(RequirementError, match="mesh"):
        frozen(config).check()


def memory_of(monkeypatch, gibibytes):
    """Makes this machine look as if it had so much memory."""
    found = psutil.virtual_memory()._replace(total=int(gibibytes * 2**30))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: found)


def test_what_cannot_fit_is_refused_with_the_largest_that_would(monkeypatch):
    memory_of(monkeypatch, 24)
    config = small_config(methods=("random_features",), nums_train=(10**6,), widths=(100_000,))
    with pytest.raises(RequirementError) as refused:
        frozen(config).check()
    found = re.fullmatch(
        r"widths must give a random_features fit by cg that fits in memory \((.*) GiB are needed, "
        r"21.6 GiB may be used; largest arrays: preconditioner 74.5, .*\), but received 100000; "
        r"(\d+) would fit, or any size with preconditioner = 'none'.",
        str(refused.value),
    )
    assert float(found[1]) > 74.5
    largest = int(found[2])
    assert plan_fit(frozen(config), "random_features", largest, 10**6).solver == "cg"
    with pytest.raises(RequirementError):
        plan_fit(frozen(config), "random_features", largest + 1, 10**6)
    config.preconditioner = "none"
    frozen(config).check()

    config = small_config(methods=("ntk",), nums_train=(60_000,), solver="cholesky")
    with pytest.raises(RequirementError, match="nums_train must give a ntk fit by cholesky"):
        frozen(config).check()
    config.solver = "auto"
    assert plan_fit(frozen(config), "ntk", None, 60_000).solver == "cg"


def test_solvers_are_chosen_by_cost_and_memory(monkeypatch):
    memory_of(monkeypatch, 24)
    config = small_config()
    config.problem.dim = 20
    chosen = {
        (500, 10**5): "cholesky",
        (20_000, 10**6): "cg",
        (20_000, 25_000): "cholesky",  # the preconditioner does little, the matrix fits
    }
    for (width, num), solver in chosen.items():
        assert plan_fit(frozen(config), "random_features", width, num).solver == solver
    assert plan_fit(frozen(config), "nngp", None, 3000).solver == "cholesky"
    assert plan_fit(frozen(config), "nngp", None, 50_000).solver == "cg"
    memory_of(monkeypatch, 3)
    assert plan_fit(frozen(config), "nngp", None, 16_000).solver == "cg"


def test_devices_of_a_mesh_share_the_gram_matrix(monkeypatch):
    memory_of(monkeypatch, 10_000)
    config = small_config(solver="cholesky")
    alone = plan_fit(frozen(config), "random_features", 40_000, 10**6).device["Gram matrix"]
    config.mesh.width = 8
    spread = plan_fit(frozen(config), "random_features", 40_000, 10**6).device["Gram matrix"]
    assert spread == alone / 8 == 8 * 40_000**2 / 8


def test_every_column_is_documented():
    text = (ROOT / "docs" / "large.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert set(documented) == {*large.KEYS, *large.MEASUREMENTS}


@pytest.mark.parametrize("solver", kept(["cholesky", "cg"], ["cholesky"]))
def test_stopped_at_every_opportunity(solver, monkeypatch):
    """Sums over blocks and iterations go on from where they were, to the last bit."""
    monkeypatch.setattr("rf_limits.devices.pace.SECONDS", 0.0)
    methods = {"cholesky": ("random_features",), "cg": ("random_features", "ntk")}[solver]
    fields = {"solver": solver, "methods": methods, "preconditioner": "sample"}
    prepared = prepare(small_config(**fields))
    whole = prepared.run()
    result, stops = run_in_pieces(prepared, 1)
    assert stops > 3
    tables = (one.metrics.drop(columns="seconds") for one in (result, whole))
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_seconds_of_a_resumed_fit_are_all_of_them():
    """Those of before, up to the state it goes on from, and those since."""
    now, keep = [0.0], MemoryKeep()
    states = States(keep, "fit", lambda: now[0])
    states.begin()
    now[0] = 7.0
    state = State(*(np.zeros(1) for _ in range(3)), 0.0, *(np.zeros(1) for _ in range(3)), 0.0, 0.0)
    states.after_iteration(state)
    now[0] = 9.0  # killed here: these two are lost
    again = States(keep, "fit", lambda: now[0])
    now[0] = 100.0
    again.begin()
    assert again.iteration() is not None
    now[0] = 103.0
    assert again.seconds() == 10.0
    fresh = States(MemoryKeep(), "fit", lambda: now[0])
    fresh.begin()
    assert fresh.iteration() is None
    assert fresh.seconds() == 0.0
