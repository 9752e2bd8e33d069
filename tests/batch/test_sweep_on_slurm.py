"""A sweep on a real Slurm: the numbers of an undisturbed one, whatever happens to its jobs."""

import io
import json
import os
import shutil

import pandas as pd
import pytest
from rich.console import Console

from rf_limits.errors import RequirementError
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.executors.inline import InlineExecutor
from rf_limits.sweeps.executors.slurm import SlurmExecutor, slurm_states
from rf_limits.sweeps.grid import cells_of, sweep
from rf_limits.sweeps.launch import launch
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import statuses
from rf_limits.sweeps.worker import CellOptions
from tests.batch.cluster import ROOT, run, until
from tests.experiments.test_resume import configured


def config(steps):
    found = configured("minibatches")
    found.predictors.methods, found.model.widths = ("network",), (4,)
    found.training.steps = steps
    found.sweep = sweep(grid={"problem.noise": (0.0, 0.1), "data.num_train": (30, 35)})
    return found


def tables(path):
    return {p.parent.name: pd.read_parquet(p) for p in path.glob("cells/*/metrics.parquet")}


def executor(store, **parameters):
    setup = [f'export PYTHONPATH="{ROOT}:$PYTHONPATH" JAX_PLATFORMS=cpu']
    for name in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR"):
        if name in os.environ:
            setup.append(f'export {name}="{os.environ[name]}"')
    parameters = {"slurm_setup": setup, "cpus_per_task": 1, **parameters}
    return SlurmExecutor(store, SweepLog(), CellOptions(0.0), 2, 30, parameters)


def jobs_of(store):
    """By name of the cell."""
    return json.loads((store.path / "slurm" / "jobs.json").read_text())["jobs"]


@pytest.mark.slurm
def test_signalled_in_the_middle_and_requeued(slurm, tmp_path):
    assert slurm.partitions
    expected = SweepStore(tmp_path / "undisturbed")
    log = SweepLog()
    assert launch(config(30_000), expected, InlineExecutor(expected, log), log) == 0
    store = SweepStore(tmp_path / "sweep")
    assert launch(config(30_000), store, executor(store), SweepLog()) == 0
    found = {one.state for one in statuses(store, store.cells(), slurm_states(store))}
    assert found <= {"queued", "running"}
    jobs = jobs_of(store)
    assert len(jobs) == 4
    assert len(set(jobs.values())) == 2  # two groups

    def begun(name):
        return any((store.run(name).path / "states").glob("*.state"))

    victim = next(iter(jobs))
    until(lambda: begun(victim), 120, "the victim has saved a state")
    run("scancel", "--signal=USR2", jobs[victim])
    # while jobs are under way the same command submits nothing
    launch(config(30_000), store, executor(store), SweepLog())
    assert jobs_of(store) == jobs

    def done():
        found = statuses(store, store.cells(), slurm_states(store))
        assert not [one for one in found if one.state == "failed"]
        return all(one.state == "done" for one in found)

    until(done, 300, "all cells are done")
    restarts = run("scontrol", "show", "job", jobs[victim])
    assert "Restarts=1" in restarts
    logs = "".join(p.read_text() for p in (store.path / "slurm").glob("*_log.out"))
    assert "SIGUSR2: saving and stopping" in logs
    found, known = tables(store.path), tables(expected.path)
    assert set(found) == set(known)
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, known[name], check_exact=True)


@pytest.mark.slurm
def test_a_cancelled_job_is_a_failed_cell_and_runs_again_when_asked(slurm, tmp_path):
    store = SweepStore(tmp_path / "sweep")
    launch(config(10_000_000), store, executor(store), SweepLog())
    jobs = jobs_of(store)
    until(
        lambda: all((store.run(n).path / "run.json").is_file() for n in jobs), 120, "all have begun"
    )
    for job in set(jobs.values()):
        run("scancel", job)

    def failed():
        found = statuses(store, store.cells(), slurm_states(store))
        return all(one.state == "failed" for one in found)

    until(failed, 120, "all have failed")
    found = statuses(store, store.cells(), slurm_states(store))
    assert all("Slurm ended job" in one.detail and "CANCELLED" in one.detail for one in found)
    before = dict(jobs)
    assert launch(config(10_000_000), store, executor(store), SweepLog()) == 1
    assert jobs_of(store) == before
    launch(config(10_000_000), store, executor(store), SweepLog(), retry_failed=True)
    again = jobs_of(store)
    assert not set(again.values()) & set(before.values())
    assert len(set(again.values())) == 4  # each by itself
    for job in set(again.values()):
        run("scancel", job)


def test_no_slurm_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    store = SweepStore(tmp_path / "sweep")
    with pytest.raises(RequirementError, match="--executor=slurm must find a Slurm"):
        executor(store).run([store.claim([], extend=False)], Stop())


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("answer", ["", "sbatch: error: invalid partition specified: x"])
def test_a_refused_launch_leaves_nothing(tmp_path, monkeypatch, answer, there):
    """There is no Slurm, or one that refuses the jobs: no sweep is left, and no file of theirs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if answer:
        for name in ("srun", "sbatch"):
            (programs / name).write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit 1\n")
            (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    store, log = SweepStore(tmp_path / "sweep"), SweepLog(Console(quiet=True))
    if there:
        store.claim(cells_of(config(5)), extend=False)
        (store.path / "slurm").mkdir()
        (store.path / "slurm" / "7_0_log.out").write_text("of an earlier job")
    before = set(tmp_path.rglob("*")), [cell.name for cell in store.cells()] if there else []
    with pytest.raises(RequirementError, match="--executor=slurm must find a Slurm"):
        launch(config(10), store, executor(store), log, extend=True)
    assert (set(tmp_path.rglob("*")), [c.name for c in store.cells()] if there else []) == before


SQUEUES = {
    "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1": "Unable to",
    "exit 3": "exit code 3",
    None: "squeue",
}


def _put(folder, **programs):
    """Programs of these names, of these lines for a shell, and no others, on the path."""
    folder.mkdir(exist_ok=True)
    for name, lines in programs.items():
        path = folder / name
        path.unlink(missing_ok=True)
        if lines is not None:
            path.write_text(f"#!/bin/sh\n{lines}\n")
            path.chmod(0o755)


SUBMIT = "echo x >> {0}; echo Submitted batch job $(/usr/bin/wc -l < {0})"


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Two cells that a Slurm has taken: launch, status, how often jobs were submitted."""
    count, store = tmp_path / "count", SweepStore(tmp_path / "sweep")
    _put(tmp_path / "bin", srun="", sbatch=SUBMIT.format(count), squeue="")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    whole = config(10)
    whole.sweep = sweep(grid={"problem.noise": (0.0, 0.1)})

    def launched(text):
        log = SweepLog(Console(file=text, width=400))
        return launch(whole, store, executor(store), log, group=False)

    assert launched(io.StringIO()) == 0
    return store, launched, lambda: len(count.read_text().split())


def test_a_copy_of_a_sweep_has_no_jobs(submitted, tmp_path):
    """Its cells were called queued, and were never run: the jobs work in the original."""
    store, *_ = submitted
    jobs = jobs_of(store)
    _put(tmp_path / "bin", squeue="; ".join(f"echo '{one}|PENDING'" for one in jobs.values()))

    def states(path):
        sweep = SweepStore(path)
        return [one.state for one in statuses(sweep, sweep.cells(), slurm_states(sweep))]

    shutil.copytree(store.path, tmp_path / "copy")
    (tmp_path / "link").symlink_to(store.path)
    assert states(tmp_path / "copy") == ["pending", "pending"]
    assert states(tmp_path / "link") == states(store.path) == ["queued", "queued"]
    file = store.path / "slurm" / "jobs.json"
    held = json.loads(file.read_text())
    elsewhere = {**held["directory"], "path": "/seen/by/a/node"}
    file.write_text(json.dumps({**held, "directory": elsewhere}))
    assert states(store.path) == ["queued", "queued"]
    file.write_text(json.dumps(jobs))  # of an earlier version
    assert states(store.path) == ["queued", "queued"]
    file.write_text(json.dumps(held))
    store.path.rename(tmp_path / "away")
    # put back from elsewhere; submitit leaves links, with the whole path, to its own files
    shutil.copytree(tmp_path / "away", store.path, symlinks=True)
    assert states(store.path) == ["queued", "queued"]


@pytest.mark.parametrize("squeue", SQUEUES)
def test_no_answer_of_slurm_is_not_gone(tmp_path, submitted, squeue):
    """Cells counted as pending, were submitted again, and the first jobs were forgotten."""
    store, launched, count = submitted
    jobs = store.path / "slurm" / "jobs.json"
    before, number, text = jobs.read_text(), count(), io.StringIO()
    _put(tmp_path / "bin", squeue=squeue)
    found = statuses(store, store.cells(), slurm_states(store))
    assert [one.state for one in found] == ["unknown", "unknown"]
    assert all(SQUEUES[squeue] in one.detail for one in found)
    assert launched(text) == 0
    assert "2 cells: 0 done, 0 running, 2 unknown, 0 failed, 0 pending." in text.getvalue()
    assert "UNKNOWN: 2 cells, which may be under way" in text.getvalue()
    assert (jobs.read_text(), count()) == (before, number)
    # gone for certain, they are submitted again
    _put(
        tmp_path / "bin",
        squeue="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
    )
    assert launched(io.StringIO()) == 0
    assert count() == number + 1


def test_of_two_launches_at_once_one_submits(tmp_path, submitted):
    """What the other has submitted since this one looked is left to it."""
    store, _, count = submitted
    job = jobs_of(store)
    lines = "; ".join(f"echo '{one}|PENDING'" for one in set(job.values()))
    _put(tmp_path / "bin", squeue=lines)
    number = count()
    executor(store).run([[cell] for cell in store.cells()], Stop())
    assert count() == number
    with store.record(store.cells()[0]) as facts:
        facts |= {"status": "failed", "error": "ValueError: asked to run it again"}
    executor(store).run([[cell] for cell in store.cells()], Stop())
    assert count() == number + 1


def test_a_damaged_list_of_jobs_is_named(submitted):
    store, *_ = submitted
    (store.path / "slurm" / "jobs.json").write_text('{"a": ')
    with pytest.raises(RequirementError, match=r"jobs\.json must be JSON"):
        slurm_states(store)
