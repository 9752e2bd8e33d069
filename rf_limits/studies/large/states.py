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
        """The fit begins, or goes on: its seconds count from here."""
        self._began[:] = [self.clock()]

    def seconds(self) -> float:
        """Seconds that the fit took so far, with those that saved states say it took before."""
        return self.clock() - self._began[0]

    def _load(self) -> Mapping[str, np.ndarray] | None:
        saved = self.keep.load(self.name)
        if saved is not None and _SECONDS in saved:
            self._began[0] -= float(saved[_SECONDS])
        return saved

    def _save(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.keep.save(self.name, {**arrays, _SECONDS: np.asarray(self.seconds())})

    def iteration(self) -> State | None:
        """The iteration to go on from."""
        saved = self._load()
        return None if saved is None else State.from_arrays(dict(saved))

    def sums(self) -> tuple[GramSums, int] | None:
        """The sums to go on from, and how many blocks they are."""
        saved = self._load()
        if saved is None:
            return None
        return GramSums(*(saved[field] for field in GramSums._fields)), int(saved["blocks"])

    def after_iteration(self, state: State) -> None:
        """Saves an iteration if it is time."""
        if self.keep.due():
            self._save(state.as_arrays())

    def after_blocks(self, sums: GramSums, blocks: int) -> None:
        """Saves sums if it is time."""
        if self.keep.due():
            self._save({**on_host(sums)._asdict(), "blocks": np.asarray(blocks)})
