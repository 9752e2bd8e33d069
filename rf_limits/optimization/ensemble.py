"""The batches in which an ensemble's networks are stepped: one, some or all at a time.

On a CPU vectorizing pays while what the networks hold at once stays in the caches, and costs
up to a factor of two beyond (docs/performance.md); accelerators want as many at once as their
memory holds. So networks go in batches: of one ("map"), of all ("vmap"), or of as many as fit.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from rf_limits.errors import check_choice

ENSEMBLES = ("auto", "map", "vmap")
CACHE_BYTES = 2**23
"""Bytes of one intermediate of all networks that are stepped at once on a CPU."""
DEVICE_SHARE = 0.5
"""Share of an accelerator's memory for the intermediates of networks that are stepped at once."""
LIVE = 4
"""Intermediates of the largest size that a network's step is taken to hold on an accelerator."""


def device_memory() -> float | None:
    """Returns bytes that JAX may take of its first device, or None where it does not tell."""
    stats = jax.local_devices()[0].memory_stats() or {}
    return stats.get("bytes_limit")


def networks_at_once(
    mode: str,
    cells: int,
    bytes_each: float,
    backend: str | None = None,
    *,
    together: int | None = None,
    in_step: bool = True,
) -> int | None:
    """Returns how many networks are stepped at once.

    Args:
      mode: ``"map"``, ``"vmap"``, or ``"auto"``: on accelerators as many as keep :data:`LIVE`
        times ``bytes_each`` within :data:`DEVICE_SHARE` of its memory; on a CPU as many as keep
        ``bytes_each`` within :data:`CACHE_BYTES`. At least one, and a number that divides all.
      cells: networks of one run (of one device's part).
      bytes_each: size of the largest intermediate of one network (of one device's part).
      backend: of JAX; the default one if None.
      together: networks of all runs that train in one call, ``cells`` if None; on a CPU it makes
        no difference, so that a network's numbers do not depend on what runs beside it.
      in_step: False where every network takes its own number of steps: one by one on a CPU.

    Returns:
      A number that divides ``cells`` (``together`` on accelerators), or None for all.

    Raises:
      RequirementError: unknown ``mode``.
    """
    check_choice(mode, ENSEMBLES, "training.ensemble")
    if mode == "map":
        return 1
    if mode == "vmap":
        return None
    if (backend or jax.default_backend()) == "cpu":
        return _most_of(cells, CACHE_BYTES / max(bytes_each, 1.0) if in_step else 1.0)
    memory = device_memory()
    together = together or cells
    if memory is None:
        return None
    count = _most_of(together, DEVICE_SHARE * memory / max(LIVE * bytes_each, 1.0))
    return None if count == together else count


def _most_of(cells: int, most: float) -> int:
    """Returns the largest number up to ``most`` that divides ``cells``; at least 1."""
    largest = int(min(cells, max(1.0, most)))
    return next(size for size in range(largest, 0, -1) if cells % size == 0)


def over_cells(
    function: Callable, at_once: int | None = 1, mesh: Mesh | None = None, shared_spec: Any = None
) -> Callable:
    """Lifts ``function(shared, *cell)`` to arguments with a leading axis of cells.

    On a mesh the cells are cut along its "seeds", and every part is mapped by its own devices,
    on its own clock (shard_map): loops take each its number of steps, and a network's numbers
    do not depend on how many parts there are. Within a part XLA partitions along the other axes.

    Args:
      function: of what all cells share, and of one cell.
      at_once: how many cells are vectorized, one batch after the other; it should divide the
        number of cells. None: all.
      mesh: over which the cells are spread, or None.
      shared_spec: tree of partition specs, a prefix of ``shared``; None: every part has all.
    """

    def mapped(shared: Any, *arguments: Any) -> Any:
        count = jax.tree.leaves(arguments)[0].shape[0]
        if at_once is None or 1 < at_once == count:
            return jax.vmap(partial(function, shared))(*arguments)
        batch = None if at_once == 1 else at_once
        return jax.lax.map(lambda cell: function(shared, *cell), arguments, batch_size=batch)

    def cut(shared: Any, *arguments: Any) -> Any:
        split, copied = PartitionSpec("seeds"), PartitionSpec()
        return jax.shard_map(
            mapped,
            mesh=mesh,
            in_specs=(copied if shared_spec is None else shared_spec, *[split] * len(arguments)),
            out_specs=split,
            axis_names={"seeds"},
            check_vma=False,
        )(shared, *arguments)

    return mapped if mesh is None else cut
