"""Several worker processes on this machine, each with a device of its own.

A worker that dies fails the cells it was at, not the sweep. Workers do not outlive the process
that started them: the kernel tells them to stop when it is gone.
"""

import ctypes
import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rf_limits.runs.console import last_line
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.status import UNDONE, cell_state
from rf_limits.sweeps.worker import DEFAULT_OPTIONS, CellOptions, Request, try_fail
from rf_limits.training.checkpointing import Stopped

LOGS = "logs"
_POLL = 0.2
_MEMORY = 0.9  # of an accelerator, for all workers that share it
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl
_START = (
    "import json, runpy, sys; sys.path += json.loads(sys.argv.pop(1)); "
    "runpy.run_module('rf_limits.sweeps.worker', run_name='__main__', alter_sys=True)"
)
"""What a worker begins with: modules are looked for where this process does, after the standard
library, which no file in the current folder can stand in for."""


def visible_devices() -> list[str]:
    """Returns identifiers of the accelerators that this process may use: NVIDIA GPUs."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split()


def worker_environment(slot: int, jobs: int, devices: Sequence[str]) -> dict[str, str]:
    """Returns variables that tell worker ``slot`` of ``jobs`` its device and share of memory.

    Alone on a device a worker reserves its memory as JAX does by default; workers that share one
    take what they need, an equal share at most.
    """
    if not devices:
        return {}
    sharing = -(-jobs // len(devices))
    variables = {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)]}
    if sharing > 1:
        variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{_MEMORY / sharing:.3f}"
    return variables


def search_path() -> list[str]:
    """Returns the folders in which this process looks for modules."""
    return [os.path.abspath(folder) for folder in sys.path]


class _Worker(NamedTuple):
    """A process at work, with what is needed to say how it ended.

    Attributes:
      process: the process.
      cells: those that it carries out.
      log: file of its output.
      slot: its number among those that run at once.
      output: the open file.
      begun: size of the output before it started.
      failures: open file in memory to which it writes what failed.
    """

    process: subprocess.Popen[bytes]
    cells: Sequence[SweepCell]
    log: Path
    slot: int
    output: BinaryIO
    begun: int
    failures: int


def _dies_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)


@dataclasses.dataclass
class LocalExecutor:
    """Carries out groups in at most ``jobs`` processes at once.

    Attributes:
      sweep: the directory.
      log: what is said of it.
      options: how cells are carried out.
      jobs: how many workers at once; 0 for one per accelerator, or one.
      cores: of each worker; 0 for all.
      cache: directory of compiled programs, shared by the workers.
    """

    sweep: SweepStore
    log: SweepLog
    options: CellOptions = DEFAULT_OPTIONS
    jobs: int = 0
    cores: int = 0
    cache: Path | None = None

    def __post_init__(self) -> None:
        """Looks for accelerators."""
        self.devices = visible_devices()
        self.jobs = self.split = self.jobs or max(1, len(self.devices))

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> dict[str, str]:
        """Carries out every group.

        Returns:
          The error by name of the cells that failed; of a worker that died for another reason, by
          the name of its first cell.

        Raises:
          Stopped: asked to stop; workers have saved their states.
        """
        waiting, workers = list(groups), list[_Worker]()
        total, stopping, failed = len(waiting), False, dict[str, str]()
        self.log.expect(sum(len(group) for group in groups))
        while waiting or workers:
            if stop.signal is not None and not stopping:
                stopping = True
                for worker in workers:
                    worker.process.send_signal(signal.SIGTERM)
            while waiting and len(workers) < self.jobs and not stopping:
                slot = min(set(range(self.jobs)) - {worker.slot for worker in workers})
                number = total - len(waiting) + 1
                workers.append(self._start(waiting.pop(0), slot, number))
            ended = [worker for worker in workers if worker.process.poll() is not None]
            for worker in ended:
                workers.remove(worker)
                stopped = stop.signal is not None
                failed |= self._end(worker, stopped=stopped)
                self.log.ended(self.sweep, worker.cells, failed, stopped=stopped)
            if stopping and not workers:
                raise Stopped
            if not ended:
                time.sleep(_POLL)
        return failed

    def _start(self, cells: Sequence[SweepCell], slot: int, number: int) -> _Worker:
        log = self.sweep.path / LOGS / f"{cells[0].name}.log"
        output, failures = _output(log), os.memfd_create("failures")
        begun = output.tell()
        names = [cell.name for cell in cells]
        request = Request(str(self.sweep.path), names, dataclasses.asdict(self.options), failures)
        with os.fdopen(os.memfd_create("request"), "w+b") as file:
            file.write(json.dumps(request._asdict()).encode())
            file.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, json.dumps(search_path())],
                stdin=file,
                stdout=output,
                stderr=output,
                env=self._environment(slot),
                preexec_fn=functools.partial(self._prepare, slot),
                pass_fds=(failures,),
            )
        more = f" and {len(cells) - 1} more together" if len(cells) > 1 else ""
        self.log.started(cells, f"[{number}] started {cells[0].name}{more}")
        return _Worker(process, cells, log, slot, output, begun, failures)

    def _environment(self, slot: int) -> dict[str, str]:
        """Returns the environment of the worker in a slot."""
        environment = {**os.environ, **worker_environment(slot, self.jobs, self.devices)}
        if self.cache is not None:
            environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(self.cache))
        return environment

    def _prepare(self, slot: int) -> None:
        """Sets up the new process of a slot before its program starts."""
        _dies_with_parent()
        if self.cores:
            every = sorted(os.sched_getaffinity(0))
            first = slot * self.cores
            os.sched_setaffinity(0, {every[(first + i) % len(every)] for i in range(self.cores)})

    def _end(self, worker: _Worker, *, stopped: bool) -> dict[str, str]:
        """Records the cells of a worker that ended without recording them itself.

        A worker that was asked to stop leaves them to be run again.

        Returns:
          The error by name of the cells that failed.
        """
        code, failed = worker.process.returncode, dict[str, str]()
        with os.fdopen(worker.failures, "rb") as file:
            file.seek(0)
            failures = json.loads(file.read() or "{}")
        for cell in () if stopped else worker.cells:
            state, detail = cell_state(self.sweep, cell)
            if state in UNDONE:
                detail = failures.get(cell.name) or _death(worker)
                unrecorded = try_fail(self.sweep, cell, detail) if code else f"it is {state}"
                if unrecorded:
                    self.log.warn(f"{cell.name}: not recorded ({unrecorded})")
            if state in (*UNDONE, "failed", "misplaced"):
                failed[cell.name] = detail
                self.log.say(f"failed {cell.name}: {detail}")
        if code != 0 and not failed and not stopped:
            failed[worker.cells[0].name] = _death(worker)
            self.log.warn(f"{worker.cells[0].name}: {_death(worker)}")
        worker.output.close()
        return failed


def _output(log: Path) -> BinaryIO:
    """Opens a log to append to it; in memory where the disk takes none."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("a+b")
    except OSError:
        return os.fdopen(os.memfd_create(log.name[:200]), "w+b")


def _death(worker: _Worker) -> str:
    """Says how a worker ended that did not record it: its signal, or the last line of output."""
    code = worker.process.returncode
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        return f"its process ended by {signal.Signals(number).name}; see {worker.log}"
    worker.output.seek(worker.begun)
    text = worker.output.read().decode(errors="replace")
    return last_line(text, f"its process ended with exit code {code}; see {worker.log}")
