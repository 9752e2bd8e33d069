"""Groups of cells one after the other in this process."""

import dataclasses
from collections.abc import Sequence

from rf_limits.runs.events import Tell, tagged
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.worker import DEFAULT_OPTIONS, CellOptions, line_of, run_cells
from rf_limits.training.checkpointing import Stopped


@dataclasses.dataclass
class InlineExecutor:
    """Carries out groups here.

    Attributes:
      sweep: the directory.
      log: what is said of it; runs tell their own events too, with the name of their ``cell``.
      options: how cells are carried out.
    """

    sweep: SweepStore
    log: SweepLog
    options: CellOptions = DEFAULT_OPTIONS
    split = 1

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> dict[str, str]:
        """Carries out every group.

        Returns:
          The last line of the error by name of the cells that failed.

        Raises:
          Stopped: asked to stop; what is finished is kept.
        """
        self.log.expect(sum(len(group) for group in groups))
        failed: dict[str, str] = {}
        for i, group in enumerate(groups):
            names = ", ".join(cell.name for cell in group)
            self.log.started(group, f"[{i + 1}/{len(groups)}] {names}")
            failed |= self._run(group, stop)
            self.log.ended(self.sweep, group, failed)
        return failed

    def _run(self, group: Sequence[SweepCell], stop: Stop) -> dict[str, str]:
        def listener(cell: SweepCell) -> Tell:
            return tagged(self.log.tell, cell=cell.name)

        try:
            return run_cells(self.sweep, group, stop, self.log.console, self.options, tell=listener)
        except Stopped:
            raise
        except Exception as error:  # before there was a run: other groups go on
            self.log.console.print_exception()
            return {cell.name: line_of(error) for cell in group}
