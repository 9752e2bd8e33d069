"""--dry_run: what a run would be and take; nothing is made, and what is refused is refused."""

import io
import time

import pytest
from rich.console import Console

from rf_limits import default_config
from rf_limits.config import flat, frozen
from rf_limits.errors import RequirementError
from rf_limits.runs.dry_run import dry_run
from rf_limits.studies import EXPERIMENTS, approximation, pilot_runs
from rf_limits.studies.experiment import Checked
from rf_limits.studies.hardness import hardness
from rf_limits.studies.pilot_runs import Estimate, WidthSeconds, estimate_seconds
from rf_limits.training.run import prepare
from tests.runs.test_command_line import SMALL, train
from tests.runs.test_session import contents, run, tiny_config


def printed(config, path, **options):
    """Exit code and lines."""
    text = io.StringIO()
    code = dry_run(config, path, console=Console(file=text, width=60), **options)
    return code, text.getvalue().splitlines()


@pytest.fixture
def quick(monkeypatch):
    """Without pilot runs, which are tested by themselves."""
    found = Estimate(2.0, 58.0, "from nothing")
    monkeypatch.setattr("rf_limits.studies.cost.estimate_seconds", lambda config: found)
    for module in (approximation, hardness):
        monkeypatch.setattr(module, "estimate_from_part", lambda *arguments: found)


def test_a_dry_run_prints_everything_and_writes_nothing(tmp_path, quick):
    config = tiny_config()
    code, lines = printed(config, tmp_path / "run")
    assert code == 0
    assert not any(tmp_path.iterdir())
    for name in flat(frozen(config)):
        assert any(line.startswith(f"{name}: ") for line in lines), name
    assert "model.widths: [4, 8]" in lines
    assert "parameters: 28, 56" in lines  # N (d + 1), plus N with biases
    assert "networks: 2 (2 widths x 1 lazy scales x 1 seeds)" in lines
    assert "steps: 4" in lines
    assert "time: about 60 s (of it 2 s compiling, less where it is kept), from nothing" in lines
    assert any(line.startswith("memory: about ") and "GiB at most" in line for line in lines)
    assert f"workdir: {tmp_path / 'run'}, which would be made" in lines


def test_a_finished_directory_stays_as_it_is(tmp_path, quick):
    config = tiny_config()
    config.predictors.methods = ("network",)
    run(config, tmp_path / "run")
    before = contents(tmp_path)
    _, lines = printed(config, tmp_path / "run")
    assert any("there would be nothing to do" in line for line in lines)
    config.problem.dim = 4
    with pytest.raises(RequirementError, match=r"differing in problem\.dim"):
        printed(config, tmp_path / "run")
    _, lines = printed(config, tmp_path / "run", overwrite=True)
    assert any("whose results would be replaced" in line for line in lines)
    assert contents(tmp_path) == before


def test_refused_configs_are_refused(tmp_path):
    config = tiny_config()
    config.training.batch_size = 10**6
    with pytest.raises(RequirementError, match=r"training\.batch_size"):
        printed(config, tmp_path / "run")
    config = tiny_config()
    config.training.learning_rate = "1e9"  # only trying finds out
    with pytest.raises(RequirementError, match=r"training\.learning_rate"):
        printed(config, tmp_path / "run")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("approximation", ["largest Gram matrix: 10000 rows"]),
        ("hardness", ["largest Gram matrix: 4096 rows"]),
        ("large", ["largest fit: ", "Gflop/s, measured"]),
        ("lazy_width", ["training runs: 5", "of the largest of 5 runs"]),
    ],
)
def test_other_experiments(tmp_path, quick, name, expected):
    code, lines = printed(default_config(name), tmp_path / "run")
    assert code == 0
    text = "\n".join(lines)
    for part in (*expected, "memory: about "):
        assert part in text
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["approximation", "hardness"])
def test_experiments_that_train_nothing_are_tried_small(monkeypatch, name):
    """Once with compiling, 6 s, and once without, 2 s; every dimension has its programs."""
    config, tried, clock = EXPERIMENTS[name](), [], [0.0]

    def run(prepared):
        tried.append(prepared.config)
        clock[0] += 2.0 if len(tried) % 2 == 0 else 6.0

    monkeypatch.setattr(Checked, "run", run)
    monkeypatch.setattr("rf_limits.studies.timed.time.monotonic", lambda: clock[0])
    found = config.estimate()
    small, again = tried
    assert small == again
    small.check()
    assert len(small.dims) == 1
    assert found.compiling == 4.0 * len(config.dims)
    times = found.computing / 2.0
    assert f"d = {small.dims[0]} alone, taken {times:.3g} times" in found.tried
    assert small.estimate().computing == 2.0
    assert tried == [small] * 4
    if name == "approximation":  # 4 dimensions, seeds, and (10,000/2048)^2.5 for tangent features
        assert 100 < times < 4 * 3 * (10_000 / 2048) ** 2.5


def test_the_parts_of_an_estimate(monkeypatch):
    """Interpolated in width; seeds, steps and log points multiply what they multiply."""
    config = tiny_config()
    config.model.widths, config.seeds = (10, 100, 1000), 3
    config.training.steps, config.training.log_points = 200, 2
    config.predictors.methods = ("network",)
    parts = {
        10: WidthSeconds(1.0, 0.1, 0.01, 0.2, 0.5),
        1000: WidthSeconds(4.0, 10.0, 1.0, 20.0, 0.0),
    }
    monkeypatch.setattr(pilot_runs, "_try_width", lambda small: parts[small.model.widths[0]])
    found = estimate_seconds(config)
    assert found.compiling == pytest.approx(1.0 + 2.0 + 4.0)
    each = [0.1 + 200 * 0.01 + 2 * 0.2, 1.0 + 200 * 0.1 + 2 * 2.0, 10.0 + 200 + 2 * 20.0]
    assert found.computing == pytest.approx(3 * (0.5 + sum(each)))
    assert "N = 10 and N = 1000" in found.tried


def test_estimates_beyond_the_sizes_of_pilot_runs(monkeypatch):
    config = tiny_config()
    config.model.widths, config.data.num_train = (2048,), 2048
    config.training.steps, config.training.log_points = 10, 2
    config.predictors.methods = ("network",)
    asked = []

    def try_width(small):
        asked.append((small.model.widths, small.data.num_train, small.seeds))
        wider = small.model.widths[0] / 1024
        return WidthSeconds(1.0, wider**1.5, wider**0.1, wider**3, 1.0)

    monkeypatch.setattr(pilot_runs, "_try_width", try_width)
    found = estimate_seconds(config)
    assert asked == [((512,), 1024, 1), ((1024,), 1024, 1)]
    # fits as measured; steps and log points within their bounds
    parts = 2**3 + 2**1.5 * 2**3 + 10 * 2**0.5 * 2 + 2 * 2**2 * 2
    assert found.computing == pytest.approx(parts)


def test_steps_and_log_points_from_when_they_were_measured():
    """A step takes 2 s, a log point 3 s; what is compiled in the first interval does not count."""
    times = [10.0, 10.0 + 100.0 + 2.0 + 3.0]
    times.append(times[-1] + 9 * 2.0 + 3.0)
    times.append(times[-1] + 90 * 2.0 + 3.0)
    assert pilot_runs._per_step(times, [0, 1, 10, 100]) == pytest.approx((2.0, 3.0))
    assert pilot_runs._per_step(times[1:3], [1, 10]) == pytest.approx((2.1, 2.1))
    assert pilot_runs._per_step([], []) == (0.0, 0.0)


def run_seconds(config):
    started = time.monotonic()
    prepare(config).run()
    return time.monotonic() - started


def timed_config():
    """Seconds of steps, and less of all else once it is compiled."""
    config = tiny_config()
    config.model.widths, config.seeds, config.data.num_train = (32, 128), 2, 128
    config.training.steps = 4000
    config.predictors.methods = ("network", "random_features")
    return config


@pytest.mark.slow
def test_the_estimate_is_right_within_a_factor_of_three():
    config = timed_config()
    found = estimate_seconds(config)
    seconds = run_seconds(config)
    assert found.seconds / 3.0 < seconds < 3.0 * found.seconds


def test_from_the_command_line(tmp_path):
    workdir = f"--workdir={tmp_path / 'run'}"
    found = train(*SMALL, workdir, "--dry_run", "--notimed")
    assert (found.code, found.err) == (0, "")
    assert "problem.dim: 5" in found.out.splitlines()
    found = train(*SMALL, workdir, "--dry_run", "--config.seeds=0")
    assert (found.code, found.out) == (2, "")
    assert len(found.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
