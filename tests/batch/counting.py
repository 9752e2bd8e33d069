"""A job that counts: small enough to see what Slurm does to it, and chaotic enough to show it."""

import json
import os
import pathlib
import signal
import time

import submitit


class Count:
    """Iterates x -> 4 x (1 - x), where any other history of steps gives another number.

    What has been reached is in a file: a process started again, by whomever, goes on from there.
    Signals are noted when they arrive and obeyed between two steps, where the state is whole.
    """

    def __init__(self, folder: pathlib.Path, steps: int, seconds: float = 0.1):
        self.path = pathlib.Path(folder) / "state.json"
        self.steps = steps
        self.seconds = seconds

    def __call__(self) -> dict:
        """Counts to the end; the state has the steps at which a process took over."""
        received = set()
        ask = signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]
        checkpoint_and_requeue = signal.signal(ask, lambda number, _: received.add(number))
        signal.signal(signal.SIGTERM, lambda number, _: received.add(number))
        state = {"step": 0, "value": 0.3, "starts": [], "process": 0}
        if self.path.exists():
            state = json.loads(self.path.read_text())
        state["starts"].append(state["step"])
        state["process"] = os.getpid()
        self._save(state)
        while state["step"] < self.steps:
            time.sleep(self.seconds)
            state["value"] = 4 * state["value"] * (1 - state["value"])
            state["step"] += 1
            if received:
                self._save(state)
                if ask in received:
                    checkpoint_and_requeue(ask, None)  # submitit's handler: does not return
                # SIGTERM: if Slurm requeues the job it ends the process; if not, nothing is lost.
                received.clear()
        return state

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit submits again; the state is in its file."""
        return submitit.helpers.DelayedSubmission(self)

    def _save(self, state: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(state))
        partial.replace(self.path)
