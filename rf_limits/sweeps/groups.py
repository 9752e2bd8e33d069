"""Groups of cells that run together: networks of the same shapes share a compiled call."""

import json
from collections.abc import Sequence

import psutil

from rf_limits.experiments.validation import estimate_bytes
from rf_limits.sweeps.grid import SweepCell

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
"""Fields that change the data and the measurements of networks on a fixed training set, but neither
shapes nor steps."""
_SHARE = 0.5  # of memory, for one group


def shape_key(cell: SweepCell) -> str:
    """Returns what cells that can train together have in common; the name of any other cell."""
    config = cell.config
    if config.experiment != "training" or config.data.kind != "fixed":
        return cell.name
    if max(vars(config.mesh).values()) > 1:
        return cell.name  # already spread over all devices
    fields = config.to_json()
    for name in NUMBERS_ALONE:
        *path, last = name.split(".")
        at = fields
        for step in path:
            at = at[step]
        del at[last]
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
        held = 0.0
        for i, cell in enumerate(alike):
            size = 0.0
            if cell.config.experiment == "training":
                size = float(sum(estimate_bytes(cell.config).values()))
            if i == 0 or len(groups[-1]) >= most or held + size > room:
                groups.append([])
                held = 0.0
            groups[-1].append(cell)
            held += size
    return groups
