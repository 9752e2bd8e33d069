"""What the project relies on in Slurm and submitit, on a real Slurm (.ci/slurm)."""

import json
import os
import signal
import time

import pytest
import submitit

from tests.batch.cluster import run, until
from tests.batch.counting import Count

pytestmark = pytest.mark.slurm


def submit(executor, counts):
    """One job array of several counts."""
    with executor.batch():
        return [executor.submit(count) for count in counts]


def process(count):
    """The process that counts, once its first state is there and signals are safe to send."""
    until(count.path.exists, 60, f"{count.path.parent.name} has begun")
    return json.loads(count.path.read_text())["process"]


def what_matters(state):
    return state["step"], state["value"]


def test_an_array_returns_its_results(slurm, tmp_path):
    jobs = slurm.executor(tmp_path / "logs").map_array(divmod, [17, 23, 42], [5, 7, 10])
    assert len({job.job_id.split("_")[0] for job in jobs}) == 1
    slurm.wait(jobs)
    assert [job.result() for job in jobs] == [(3, 2), (3, 2), (4, 2)]
    assert [slurm.state(job) for job in jobs] == ["COMPLETED"] * 3


def test_a_signalled_job_is_requeued_and_ends_as_if_undisturbed(slurm, tmp_path):
    counts = [Count(tmp_path / name, 40) for name in ("disturbed", "undisturbed", "bystander")]
    jobs = submit(slurm.executor(tmp_path / "logs"), counts)
    for count in counts:
        process(count)
    time.sleep(1)
    run("scancel", f"--signal={submitit.JobEnvironment.USR_SIG}", jobs[0].job_id)
    slurm.wait(jobs)
    disturbed, *others = [job.result() for job in jobs]
    assert [slurm.restarts(job) for job in jobs] == [1, 0, 0]
    assert len(disturbed["starts"]) == 2
    assert 0 < disturbed["starts"][1] < 40
    for other in others:
        assert other["starts"] == [0]
        assert what_matters(disturbed) == what_matters(other)


@pytest.mark.slow
def test_a_preempted_job_goes_on_from_where_it_was_ended(slurm, tmp_path):
    if "urgent" not in slurm.partitions:
        pytest.skip("this Slurm has no partition that preempts")
    count = Count(tmp_path / "disturbed", 80)
    job = slurm.executor(tmp_path / "logs").submit(count)
    process(count)
    time.sleep(1)
    cpus = int(run("sinfo", "--noheader", "--partition=debug", "--format=%c"))
    urgent = slurm.executor(tmp_path / "logs", slurm_partition="urgent", cpus_per_task=cpus)
    slurm.wait([job, urgent.submit(time.time)])
    assert slurm.restarts(job) == 1
    alone = slurm.executor(tmp_path / "logs").submit(Count(tmp_path / "alone", 80, seconds=0))
    slurm.wait([alone])
    assert alone.result()["starts"] == [0]
    assert len(job.result()["starts"]) == 2
    assert 0 < job.result()["starts"][1] < 80
    assert what_matters(job.result()) == what_matters(alone.result())


def test_a_killed_job_shows_as_failed_and_can_be_requeued(slurm, tmp_path):
    count = Count(tmp_path / "count", 15)
    job = slurm.executor(tmp_path / "logs").submit(count)
    os.kill(process(count), signal.SIGKILL)
    slurm.wait([job])
    assert slurm.state(job) == "FAILED"
    assert not job.paths.result_pickle.exists()
    assert "Killed" in job.stderr()
    run("scontrol", "requeue", job.job_id)
    until(job.paths.result_pickle.exists, 90, "the job ends")
    assert job.result()["starts"] == [0, 0]
