"""States of a fit under way: iterations of conjugate gradients, or sums over the first blocks."""

import dataclasses

import numpy as np

from rf_limits.devices.processes import on_host
from rf_limits.experiments.keep import Keep
from rf_limits.learning.streamed.conjugate_gradients import State
from rf_limits.learning.streamed.feature_sums import GramSums


@dataclasses.dataclass(frozen=True)
class States:
    """Where the states of one fit are kept.

    Attributes:
      keep: of the run.
      name: of the fit's part.
    """

    keep: Keep
    name: str

    def iteration(self) -> State | None:
        """The iteration to go on from."""
        saved = self.keep.load(self.name)
        return None if saved is None else State.from_arrays(dict(saved))

    def sums(self) -> tuple[GramSums, int] | None:
        """The sums to go on from, and how many blocks they are."""
        saved = self.keep.load(self.name)
        if saved is None:
            return None
        return GramSums(*(saved[field] for field in GramSums._fields)), int(saved["blocks"])

    def after_iteration(self, state: State) -> None:
        """Saves an iteration if it is time."""
        if self.keep.due():
            self.keep.save(self.name, state.as_arrays())

    def after_blocks(self, sums: GramSums, blocks: int) -> None:
        """Saves sums if it is time."""
        if self.keep.due():
            self.keep.save(self.name, {**on_host(sums)._asdict(), "blocks": np.asarray(blocks)})
