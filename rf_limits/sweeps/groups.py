"""Groups of cells that run together: networks of the same shapes share a compiled call."""

import json
from collections.abc import Sequence

import psutil

from rf_limits.config import flat
from rf_limits.studies import Training
from rf_limits.sweeps.grid import SweepCell
from rf_limits.training.validation import estimate_bytes

NUMBERS_ALONE = (
    "problem.target",
    "problem.norm",
    "problem.bias",
    "problem.neurons",
    "problem.degree",
    "problem.polynomial",
    "problem.inputs",
    "problem.noise",
    "problem.seed",
    "data.seed",
    "data.num_test",
    "model.lazy_scales",
    "training.learning_rate",
    "predictors.ridge",
    "measure",
    "seeds",
)
"""Fields, and sections, that change the data and the measurements of networks on a fixed training
set, but neither shapes nor steps."""
_SHARE = 0.5  # of memory, for one group


def shape_key(cell: SweepCell) -> str:
    """Returns what cells that can train together have in common; the name of any other cell."""
    config = cell.config
    if type(config) is not Training or config.data.kind != "fixed":
        return cell.name
    if max(vars(config.mesh).values()) > 1:
        return cell.name  # already spread over all devices
    changing = tuple(f"{name}." for name in NUMBERS_ALONE)
    fields = {n: v for n, v in flat(config).items() if not f"{n}.".startswith(changing)}
    return json.dumps(fields, sort_keys=True)


def groups_of(cells: Sequence[SweepCell], at_least: int = 1) -> list[list[SweepCell]]:
    """Groups cells that train together, in the order of their first.

    Args:
      cells: to run.
      at_least: number of groups for as many devices, if there are so many cells.

    Returns:
      Groups that fit in half of memory together, by the estimate of each alone.
    """
    by_shape: dict[str, list[SweepCell]] = {}
    for cell in cells:
        by_shape.setdefault(shape_key(cell), []).append(cell)
    most = max(1, -(-len(cells) // max(at_least, 1)))
    room = _SHARE * psutil.virtual_memory().total
    groups: list[list[SweepCell]] = []
    for alike in by_shape.values():
        group, held = list[SweepCell](), 0.0
        for cell in alike:
            size = _bytes(cell)
            if not group or len(group) >= most or held + size > room:
                groups.append(group := [])
                held = 0.0
            group.append(cell)
            held += size
    return groups


def _bytes(cell: SweepCell) -> float:
    """Returns about the memory that a cell takes; 0 where it never joins others."""
    config = cell.config
    return float(sum(estimate_bytes(config).values())) if type(config) is Training else 0.0
