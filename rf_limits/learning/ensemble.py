"""How the networks of an ensemble share the machine: in sequence, vectorized, or some at a time.

On a CPU vectorizing pays while what the networks hold at once stays in the caches, and costs
up to a factor of two beyond (docs/performance.md); accelerators want everything at once. So
networks go in batches: of one ("map"), of all ("vmap"), or of as many as fit.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

from rf_limits.errors import check_choice

ENSEMBLES = ("auto", "map", "vmap")
CACHE_BYTES = 2**23
"""Of one intermediate of all networks that are stepped at once on a CPU."""


def networks_at_once(
    mode: str, cells: int, bytes_each: float, backend: str | None = None
) -> int | None:
    """How many networks are stepped at once.

    Args:
      mode: ``"map"``, ``"vmap"``, or ``"auto"``: all on accelerators; on a CPU as many as keep
        ``bytes_each`` within :data:`CACHE_BYTES` and divide ``cells``, at least one.
      cells: networks of one run (of one device's part).
      bytes_each: size of the largest intermediate of one network.
      backend: of JAX; the default one if None.

    Returns:
      A number that divides ``cells``, or None for all, of however many runs.

    Raises:
      RequirementError: unknown ``mode``.
    """
    check_choice(mode, ENSEMBLES, "training.ensemble")
    if mode == "map":
        return 1
    if mode == "vmap" or (backend or jax.default_backend()) != "cpu":
        return None
    most = max(1, int(CACHE_BYTES // max(bytes_each, 1.0)))
    return next(size for size in range(min(cells, most), 0, -1) if cells % size == 0)


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
        return jax.lax.map(lambda one: function(shared, *one), arguments, batch_size=batch)

    def cut(shared: Any, *arguments: Any) -> Any:
        own, copied = PartitionSpec("seeds"), PartitionSpec()
        return jax.shard_map(
            mapped,
            mesh=mesh,
            in_specs=(copied if shared_spec is None else shared_spec, *[own] * len(arguments)),
            out_specs=own,
            axis_names={"seeds"},
            check_vma=False,
        )(shared, *arguments)

    return mapped if mesh is None else cut
