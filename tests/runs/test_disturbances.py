"""Killed, signalled, out of disk, two at once: nothing is lost, and the numbers are the same."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from rf_limits.runs.store import RunStore
from tests.experiments.test_resume import configured
from tests.runs.disturbed import finished, started, wait_for
from tests.variants import kept

KILLS = 20


@pytest.fixture(scope="module")
def config():
    """Several chunks of training, and a predictor that is fitted beside it."""
    config = configured("minibatches")
    config.predictors.methods = ("network", "random_features")
    config.training.steps, config.training.log_points = 3000, 6
    return config


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    """The metrics of the undisturbed run."""
    path = tmp_path_factory.mktemp("undisturbed")
    assert finished(config, path / "run", path / "log.txt") == 0
    return RunStore(path / "run").read_metrics()


def assert_the_same(path, undisturbed):
    """The run at ``path`` is complete, has the same numbers, and left nothing lying about."""
    store = RunStore(path)
    assert store.read_json("run.json")["status"] == "complete"
    pd.testing.assert_frame_equal(store.read_metrics(), undisturbed, check_exact=True)
    names = {p.name for p in path.iterdir()}
    assert names == {"config.json", "run.json", "metrics.parquet", "summary.json", "figures"}


@pytest.mark.slow
def test_killed_at_random_moments(config, undisturbed, tmp_path):
    """The default test of a kill is that of a damaged state."""
    random = np.random.default_rng(5)
    log, kills, runs = tmp_path / "log.txt", 0, 0
    begin = time.monotonic()
    assert finished(config, tmp_path / "again", log) == 0
    seconds = time.monotonic() - begin
    assert_the_same(tmp_path / "again", undisturbed)
    while kills < KILLS:
        path = tmp_path / f"run{runs}"
        runs += 1
        while True:
            process = started(config, path, log)
            process.join(random.uniform(0.0, seconds))
            if process.exitcode is None:
                process.kill()
                process.join()
                kills += 1
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL, log.read_text()
        assert_the_same(path, undisturbed)
    text = log.read_text()
    assert "Error" not in text
    assert "damaged" not in text


@pytest.mark.parametrize(
    "number", kept([signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], [signal.SIGTERM])
)
def test_signals_save_and_stop(config, undisturbed, tmp_path, number):
    path, log = tmp_path / "run", tmp_path / "log.txt"
    process = started(config, path, log)
    assert wait_for(lambda: any((path / "states").glob("*.state")))
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    text = log.read_text()
    assert f"{signal.Signals(number).name}: saving and stopping" in text
    assert "the same command goes on from what is saved" in text
    facts = json.loads((path / "run.json").read_text())
    assert facts["status"] == "interrupted"
    assert finished(config, path, log) == 0
    assert_the_same(path, undisturbed)


def test_a_full_disk_is_one_line_and_loses_nothing(config, undisturbed, tmp_path):
    """Files may have 4 KiB at most: parts and states fail to be written, each in its way."""
    path, log = tmp_path / "run", tmp_path / "log.txt"
    assert finished(config, path, log, largest_file=4096) == 2
    text = log.read_text()
    assert "The run goes on; the state before is kept." in text
    assert "StorageError" in text
    assert "could not be written: File too large." in text
    assert not list(path.rglob(".tmp-*"))
    facts = json.loads((path / "run.json").read_text())
    assert facts["status"] == "failed"
    assert "could not be written" in facts["error"]
    assert finished(config, path, log) == 0
    assert_the_same(path, undisturbed)


def test_two_processes_on_one_directory(config, undisturbed, tmp_path):
    path, logs = tmp_path / "run", [tmp_path / "one.txt", tmp_path / "two.txt"]
    first = started(config, path, logs[0])
    assert wait_for(lambda: (path / "states").is_dir())
    os.kill(first.pid, signal.SIGSTOP)  # it holds the directory, and does not finish meanwhile
    assert finished(config, path, logs[1]) == 2
    os.kill(first.pid, signal.SIGCONT)
    text = logs[1].read_text()
    assert "--workdir must be used by one process at a time" in text
    assert f"process {first.pid} on " in text
    first.join()
    assert first.exitcode == 0
    assert_the_same(path, undisturbed)


def test_damaged_state_of_a_killed_run(config, undisturbed, tmp_path):
    path, log = tmp_path / "run", tmp_path / "log.txt"
    process = started(config, path, log)
    assert wait_for(lambda: len(list((path / "states").glob("width-4.*.state"))) == 2)
    process.kill()
    process.join()
    files = (path / "states").glob("width-4.*.state")
    last = max(files, key=lambda file: int(file.name.split(".")[1]))
    last.write_bytes(last.read_bytes()[:-100])
    assert finished(config, path, log) == 0
    assert f"{last} is damaged (its checksum does not match)" in log.read_text()
    assert_the_same(path, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 200 KiB, where this process may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount here: util-linux has it")
    if done.returncode != 0:
        pytest.skip(f"mount may not be used here: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_real_disk_that_is_full_and_then_read_only(config, small_disk, tmp_path):
    filler, log = small_disk / "filler", tmp_path / "log.txt"
    filler.write_bytes(bytes(170_000))
    assert finished(config, small_disk / "run", log) == 2
    assert "could not be written: No space left on device." in log.read_text()
    assert (small_disk / "run" / "config.json").is_file()
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    before = {p: p.read_bytes() for p in small_disk.rglob("*") if p.is_file()}
    for name in ("run", "other"):
        assert finished(config, small_disk / name, log) == 2
    text = log.read_text()
    assert text.count("--workdir must take files") == 2
    assert before == {p: p.read_bytes() for p in small_disk.rglob("*") if p.is_file()}
