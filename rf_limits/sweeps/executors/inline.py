"""One group after the other in this process."""

from collections.abc import Sequence

from rich.console import Console

from rf_limits.runs.run import SAVE_EVERY
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.tally import Tally
from rf_limits.sweeps.worker import run_cells


class InlineExecutor:
    """Carries out groups here.

    Args:
      sweep: the directory.
      console: where to print.
      save_every: seconds between saved states.
    """

    jobs = split = 1

    def __init__(self, sweep: SweepStore, console: Console, save_every: float = SAVE_EVERY):
        self.sweep, self.console, self.save_every = sweep, console, save_every

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> None:
        """Carries out every group.

        Raises:
          Stopped: asked to stop; what is finished is kept.
        """
        tally = Tally(sum(len(group) for group in groups))
        for i, group in enumerate(groups):
            names = ", ".join(cell.name for cell in group)
            self._say(f"[{i + 1}/{len(groups)}] {names}")
            run_cells(self.sweep, group, stop, self.console, self.save_every)
            self._say(tally.ended(len(group)))

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
