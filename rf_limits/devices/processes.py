"""Several processes that run one program together, each on its own devices.

All run the same code on the same config and hold the same tables; one of them, the writer,
touches the disk. Whatever depends on a clock, a signal or a file is therefore agreed on.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from rf_limits.errors import RequirementError

T = TypeVar("T")


def is_alone() -> bool:
    """Returns whether there is no other process; no device is initialized for it."""
    return not jax.distributed.is_initialized() or jax.process_count() == 1


def is_writer() -> bool:
    """Returns whether this process is the one that writes."""
    return is_alone() or jax.process_index() == 0


def agree(value: int) -> int:
    """Returns the writer's ``value``, in every process; each must call it, in the same order."""
    if is_alone():
        return value
    return int(multihost_utils.broadcast_one_to_all(np.asarray(value, np.int64)))


def agree_bytes(value: bytes | None) -> bytes | None:
    """Returns the writer's bytes, or None, in every process."""
    if is_alone():
        return value
    size = agree(-1 if value is None else len(value))
    return None if size < 0 else _agree_buffer(value or b"", size)


def _agree_buffer(value: bytes, size: int) -> bytes:
    """Returns the writer's bytes, ``size`` of them, in every process."""
    data = np.frombuffer(value, np.uint8) if is_writer() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(data)).tobytes()


def agree_arrays(tree: Any) -> Any:
    """Returns every array of ``tree`` as the writer has it, in every process's memory."""
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, tree))
    if is_alone():
        return jax.tree.unflatten(structure, leaves)
    joined = b"".join(leaf.tobytes() for leaf in leaves)
    data = _agree_buffer(joined, agree(len(joined)))
    ends = np.cumsum([leaf.nbytes for leaf in leaves])
    agreed = [
        np.frombuffer(data[end - leaf.nbytes : end], leaf.dtype).reshape(leaf.shape)
        for leaf, end in zip(leaves, ends, strict=True)
    ]
    return jax.tree.unflatten(structure, agreed)


def largest(value: int) -> int:
    """Returns the largest ``value`` of any process, in every process."""
    if is_alone():
        return value
    return int(np.max(multihost_utils.process_allgather(np.asarray(value, np.int64))))


def writer_first(compute: Callable[[], T]) -> T | None:
    """Calls ``compute`` in the writer alone; what it refuses is refused in every process.

    Raises:
      RequirementError: that of the writer, in every process.
    """
    result, refused = None, None
    if is_writer():
        try:
            result = compute()
        except RequirementError as error:
            refused = error
    text = agree_bytes(None if refused is None else str(refused).encode())
    if refused is not None:
        raise refused
    if text is not None:
        raise RequirementError(text.decode())
    return result


def on_host(tree: Any) -> Any:
    """Returns whole arrays in this process's memory; each process must call it."""

    def fetch(leaf: Any) -> np.ndarray:
        local = not isinstance(leaf, jax.Array) or leaf.is_fully_addressable
        if local or leaf.is_fully_replicated:
            return np.asarray(leaf)
        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))

    return jax.tree.map(fetch, tree)
