"""Training with measurements on the way, of one width of one run or of several at once.

The networks of several runs that share their shapes, and differ in numbers alone, train in one
compiled call; each run measures its own, keeps its own state and can go on by itself.
"""

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.devices.pace import Pace
from rf_limits.devices.processes import on_host
from rf_limits.devices.stored import restored, storable
from rf_limits.methods import NETWORK, Changes
from rf_limits.optimization.trainer import Cell, Trainer, TrainState, log_points
from rf_limits.training.checkpointing import Keep, State, Stopped
from rf_limits.training.progress import Progress
from rf_limits.training.result import Report
from rf_limits.training.time_share import TimeShare
from rf_limits.training.width import Row, WidthRun

_FLOW_PIECES = 50
"""Gradient flow starts its integrator again with every chunk: chunks of it have fixed ends."""


def part_name(run: WidthRun) -> str:
    """Returns the name of the part that holds the rows of ``run``."""
    return f"width-{run.network.width}"


@dataclasses.dataclass
class _Strand:
    """One run of a joint descent.

    Attributes:
      run: the width of the run.
      keep: where its states are kept.
      cells: its networks.
      which: (cells,) index of each network's seed.
      rows: of the table, so far.
      saved: the state it goes on from, or None.
    """

    run: WidthRun
    keep: Keep
    cells: Cell
    which: jax.Array
    rows: list[Row]
    saved: State | None

    def __post_init__(self) -> None:
        run = self.run
        self.measurements, self.data = run.measurements(), run.seed_data()

    @property
    def size(self) -> int:
        """Returns the number of networks."""
        return self.which.size

    @property
    def place(self) -> tuple[int, int]:
        """Returns how many log points are measured, and how many steps are taken."""
        return (
            (0, 0) if self.saved is None else (int(self.saved["measured"]), int(self.saved["step"]))
        )

    def measure(
        self, states: Mapping[Trainer, TrainState], rounding: np.ndarray, step: int
    ) -> Changes:
        """Adds the rows of a log point, and returns the changes by method.

        Args:
          states: of this run's networks, by what takes their steps; the network's first.
          rounding: (cells,) share of the next step that is lost to rounding.
          step: taken so far.
        """
        run = self.run
        closed_form, trainer = None, next(iter(states))
        if run.closed_form:
            closed_form = functools.partial(run.closed_form.change, self.cells, self.which, step)
        changes = {
            method.key: method.change(states[method.trainer(trainer)], closed_form)
            for method in run.trained
        }
        values = self.measurements(changes, self.cells, self.data, self.which, float(step))
        if NETWORK.key in values:
            values[NETWORK.key]["rounding_error"] = rounding
        rows = run.measured_rows(values, self.cells, self.which, step)
        self.rows += rows
        self.keep.measured(part_name(run), rows)
        return changes


def _strand(run: WidthRun, keep: Keep) -> _Strand:
    saved = keep.load(part_name(run))
    if saved is None:
        rows = run.fitted_rows()
        keep.measured(part_name(run), rows)
    else:
        rows = json.loads(saved["rows"].tobytes())
        keep.measured(part_name(run), rows, again=True)
    return _Strand(run, keep, *run.ensemble.cells(), rows, saved)


class _Descent:
    """Runs at the same place, trained together."""

    def __init__(self, strands: Sequence[_Strand], report: Report):
        self.strands, self.report = strands, report
        first = strands[0].run
        several = len(strands) > 1
        self.trainer = first.trainer(sum(strand.size for strand in strands) if several else None)
        others = (method.trainer(self.trainer) for method in first.trained)
        self.trainers = list(dict.fromkeys((self.trainer, *others)))
        training = first.config.training
        self.points = log_points(training.steps, training.log_points)
        flow = self.trainer.optimizer.is_gradient_flow
        self.piece = -(-training.steps // _FLOW_PIECES) if flow else None
        self.pace = Pace(self.piece)
        self.cells = _joined(strand.cells for strand in strands)
        self.measured, self.step = strands[0].place
        self.states = [trainer.start(self.cells) for trainer in self.trainers]
        saved = [strand.saved for strand in strands if strand.saved is not None]
        if saved:
            self._restore(saved)

    def _restore(self, saved: Sequence[State]) -> None:
        """Takes up the states that the runs saved."""
        leaves, structure = jax.tree.flatten(self.states)
        for i, leaf in enumerate(leaves):
            joined = np.concatenate([state[f"state.{i}"] for state in saved])
            leaves[i] = restored(joined, leaf)
        self.states = jax.tree.unflatten(structure, leaves)

    def _advance(self, size: int) -> Any:
        pairs = zip(self.trainers, self.states, strict=True)
        self.states = [trainer.advance(state, self.cells, size) for trainer, state in pairs]
        return self.states

    def run(self) -> None:
        """Trains to the end, measuring at every log point, saving whenever it is due."""
        share = TimeShare(self.points[-1], len(self.points), self.step, self.measured)
        while self.measured < len(self.points):
            point = self.points[self.measured]
            for size in self._chunks(point):
                self.pace.timed(size, functools.partial(self._advance, size))
                self.step += size
                self.report("", share.stepped(size))
                self._keep()
            self._measure()
            self.report("", share.measurement())
            if self.measured < len(self.points):
                self._keep()

    def _chunks(self, point: int) -> Iterable[int]:
        if self.piece is None:
            return self.pace.chunks(point, self.step)
        before = self.points[self.measured - 1] if self.measured else 0
        ends = [*range(before, point, self.piece), point]
        left = [end for end in ends if end > self.step]
        return [end - begin for begin, end in zip([self.step, *left[:-1]], left, strict=False)]

    def _measure(self) -> None:
        rounding = on_host(self.trainer.rounding_error(self.states[0], self.cells))
        all_states = [
            state._replace(optimizer=None, linear_optimizer=None, order=None)
            for state in self.states
        ]
        for strand, place in self._places():
            of_run = all_states
            if len(self.strands) > 1:
                of_run = jax.tree.map(lambda leaf, place=place: leaf[place], all_states)
            states = dict(zip(self.trainers, of_run, strict=True))
            changes = strand.measure(states, rounding[place], self.step)
            if self.measured == len(self.points) - 1:
                strand.keep.trained(part_name(strand.run), changes)
        self.measured += 1

    def _places(self) -> Iterable[tuple[_Strand, slice]]:
        """Yields every run with the slice of its networks."""
        begin = 0
        for strand in self.strands:
            yield strand, slice(begin, begin + strand.size)
            begin += strand.size

    def _keep(self) -> None:
        """Saves every run's state if one is due; a request to stop ends all together."""
        due = [strand.keep.due() for strand in self.strands]
        if not any(due):
            return
        leaves = storable(self.states)
        stopped = None
        for strand, place in self._places():
            state = {"measured": np.asarray(self.measured), "step": np.asarray(self.step)}
            state["rows"] = np.frombuffer(json.dumps(strand.rows).encode(), np.uint8)
            state |= {f"state.{i}": leaf[place] for i, leaf in enumerate(leaves)}
            try:
                strand.keep.save(part_name(strand.run), state)
            except Stopped as error:
                stopped = error
        if stopped is not None:
            raise stopped


def _joined(trees: Iterable[Any]) -> Any:
    """Returns trees of arrays, joined along their first axis."""
    parts = list(trees)
    return parts[0] if len(parts) == 1 else jax.tree.map(lambda *a: jnp.concatenate(a), *parts)


def descend(runs: Sequence[WidthRun], keeps: Sequence[Keep], report: Report) -> list[list[Row]]:
    """Fits and trains everything of one width of every run, and measures it.

    Args:
      runs: one width of one or more runs; of several, all have the same shapes and trainer.
      keeps: where each keeps its states; a run whose keep has one goes on from there.
      report: progress callback.

    Returns:
      For each run its rows of the table.

    Raises:
      Stopped: asked to stop; every run has saved its state.
    """
    strands = [_strand(run, keep) for run, keep in zip(runs, keeps, strict=True)]
    if not runs[0].trains:
        return [strand.rows for strand in strands]
    places = sorted({strand.place for strand in strands})
    groups = [[strand for strand in strands if strand.place == place] for place in places]
    if runs[0].networks.mesh is not None:  # one run is as much as its devices hold
        groups = [[strand] for strand in strands]
    progress = Progress(report, len(groups))
    for together in groups:
        _Descent(together, progress.part(1.0)).run()
    return [strand.rows for strand in strands]
