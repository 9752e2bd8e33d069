"""Refusing a sweep before anything of it runs."""

from collections.abc import Sequence

from rf_limits.errors import RequirementError
from rf_limits.runs.run import Run
from rf_limits.sweeps.grid import SweepCell
from rf_limits.sweeps.manifest import SweepStore


def check_cells(store: SweepStore, cells: Sequence[SweepCell]) -> list[Run]:
    """Returns the runs of all cells; one whose config cannot be refuses the whole sweep.

    Raises:
      RequirementError: naming the cell.
    """
    runs = []
    for cell in cells:
        try:
            runs.append(Run(cell.config, store.run(cell.name).path))
        except RequirementError as error:
            where = ", ".join(f"{name} = {value!r}" for name, value in cell.fields.items())
            raise RequirementError(f"{error} (cell {where})" if where else str(error)) from error
    return runs
