"""One group after the other in this process."""

from collections.abc import Sequence

from rf_limits.experiments.keep import Stopped
from rf_limits.runs.events import tagged
from rf_limits.runs.run import SAVE_EVERY
from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.log import SweepLog
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.worker import line_of, run_cells


class InlineExecutor:
    """Carries out groups here.

    Args:
      sweep: the directory.
      log: what is said of it; runs tell their own events too, with the name of their ``cell``.
      save_every: seconds between saved states.
      tensorboard: whether runs write event files.
    """

    jobs = split = 1

    def __init__(
        self,
        sweep: SweepStore,
        log: SweepLog,
        save_every: float = SAVE_EVERY,
        *,
        tensorboard: bool = False,
    ):
        self.sweep, self.log, self.save_every = sweep, log, save_every
        self.tensorboard = tensorboard

    def run(self, groups: Sequence[Sequence[SweepCell]], stop: Stop) -> dict[str, str]:
        """Carries out every group.

        Returns:
          By name of the cells that failed, the last line of the error.

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
        try:
            return run_cells(
                self.sweep,
                group,
                stop,
                self.log.console,
                self.save_every,
                tell=lambda cell: tagged(self.log.tell, cell=cell.name),
                tensorboard=self.tensorboard,
            )
        except Stopped:
            raise
        except Exception as error:  # before there was a run: other groups go on
            self.log.console.print_exception()
            return {cell.name: line_of(error) for cell in group}
