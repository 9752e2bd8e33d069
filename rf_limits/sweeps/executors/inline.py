"""One group after the other in this process."""

from collections.abc import Sequence

from rich.console import Console

from rf_limits.runs.stopping import Stop
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore
from rf_limits.sweeps.worker import run_cells


def run_inline(
    sweep: SweepStore,
    groups: Sequence[Sequence[SweepCell]],
    stop: Stop,
    console: Console,
    save_every: float,
) -> None:
    """Carries out every group.

    Raises:
      Stopped: asked to stop; what is finished is kept.
    """
    for i, group in enumerate(groups):
        names = ", ".join(cell.name for cell in group)
        console.print(f"[{i + 1}/{len(groups)}] {names}", highlight=False, markup=False)
        run_cells(sweep, group, stop, console, save_every)
