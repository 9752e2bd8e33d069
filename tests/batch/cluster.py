"""What tests ask of a Slurm: submit, look, wait, disturb."""

import dataclasses
import pathlib
import subprocess
import time
from collections.abc import Callable, Sequence

import submitit

from rf_limits.sweeps.executors.slurm import ENDED

ROOT = pathlib.Path(__file__).parents[2]


def run(*command: str) -> str:
    """Output of a command, which must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@dataclasses.dataclass(frozen=True)
class Slurm:
    """A running Slurm, reached through SLURM_CONF."""

    partitions: frozenset[str]

    def executor(self, folder: pathlib.Path, **parameters) -> submitit.AutoExecutor:
        """Submits jobs of one CPU that find this checkout; logs in `folder`."""
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=100)
        executor.update_parameters(
            **{
                "timeout_min": 30,
                "cpus_per_task": 1,
                "slurm_setup": [f'export PYTHONPATH="{ROOT}:$PYTHONPATH"'],
                **parameters,
            }
        )
        return executor

    def state(self, job: submitit.Job) -> str:
        """Slurm's word for a job, without accounting; "" where Slurm does not know it (any more).

        An element of an array that is cancelled before it ran is forgotten at once.
        """
        array = job.job_id.split("_")[0]
        command = ["squeue", "--states=all", "--array", "--noheader", "--format=%i|%T"]
        lines = run(*command, f"--jobs={array}").split()
        return dict(line.split("|") for line in lines).get(job.job_id, "")

    def wait(self, jobs: Sequence[submitit.Job], seconds: float = 90) -> None:
        """Waits until all jobs are over, or forgotten."""
        until(
            lambda: all(self.state(j) in {*ENDED, ""} for j in jobs), seconds, "all jobs are over"
        )

    def restarts(self, job: submitit.Job) -> int:
        """How often Slurm has requeued a job."""
        fields = run("scontrol", "show", "job", job.job_id).split()
        return int(dict(f.split("=", 1) for f in fields if "=" in f)["Restarts"])
