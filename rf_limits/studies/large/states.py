"""States of a fit under way: iterations of conjugate gradients, or sums over the first blocks."""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

from rf_limits.devices.processes import on_host
from rf_limits.regression.streamed.conjugate_gradients import State
from rf_limits.regression.streamed.feature_sums import GramSums
from rf_limits.training.checkpointing import Keep

_SECONDS = "seconds"


@dataclasses.dataclass(frozen=True)
class States:
    """Where the states of one fit are kept.

    Attributes:
      keep: of the run.
      name: of the fit's part.
      clock: seconds, ascending.
    """

    keep: Keep
    name: str
    clock: Callable[[], float] = time.monotonic
    _began: list[float] = dataclasses.field(default_factory=list)

    def begin(self) -> None:
        """Starts the clock of a fit that begins, or goes on."""
        self._began[:] = [self.clock()]

    def seconds(self) -> float:
        """Returns the seconds that the fit took so far, with those before an interruption."""
        return self.clock() - self._began[0]

    def _load(self) -> Mapping[str, np.ndarray] | None:
        saved = self.keep.load(self.name)
        if saved is not None and _SECONDS in saved:
            self._began[0] -= float(saved[_SECONDS])
        return saved

    def _save(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.keep.save(self.name, {**arrays, _SECONDS: np.asarray(self.seconds())})

    def iteration(self) -> State | None:
        """Returns the iteration to go on from, or None."""
        saved = self._load()
        return None if saved is None else State.from_arrays(dict(saved))

    def sums(self) -> tuple[GramSums, int] | None:
        """Returns the sums to go on from and how many blocks they are, or None."""
        saved = self._load()
        if saved is None:
            return None
        sums = GramSums._make(saved[field] for field in GramSums._fields)
        return sums, int(saved["blocks"])

    def after_iteration(self, state: State) -> None:
        """Saves an iteration if it is time."""
        if self.keep.due():
            self._save(state.as_arrays())

    def after_blocks(self, sums: GramSums, blocks: int) -> None:
        """Saves sums if it is time."""
        if self.keep.due():
            self._save({**on_host(sums)._asdict(), "blocks": np.asarray(blocks)})
