"""The mesh of devices over which one run is spread.

Seeds (networks of an ensemble), training points and hidden units each have an axis. Arrays say
which of their own axes run along which of these; XLA partitions the computation accordingly
(GSPMD), so the same program runs on one device and on many, and results agree to rounding.
Of several processes each has its own devices; the mesh spans all of them.
"""

import math
from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rf_limits.devices.processes import is_alone
from rf_limits.errors import check

AXES = ("seeds", "data", "width")
"""Axes of the mesh: networks, training points, hidden units or features."""


def check_mesh(sizes: Mapping[str, int]) -> None:
    """Refuses sizes that are not positive whole numbers, or need more devices than there are.

    Several processes must use all their devices: one without a part would have nothing to do.

    Args:
      sizes: devices along each of :data:`AXES`; axes left out have 1.

    Raises:
      RequirementError: naming the field, ``mesh.<axis>``.
    """
    for axis, size in sizes.items():
        whole = isinstance(size, int) and not isinstance(size, bool) and size >= 1
        check(whole, f"mesh.{axis}", "be a whole number of at least 1", size)
        check(axis in AXES, f"mesh.{axis}", f"be one of {', '.join(AXES)}", axis)
    needed = math.prod(sizes.values())
    if needed > 1:
        present, hint = jax.device_count(), ""
        if jax.default_backend() == "cpu":
            hint = " (XLA_FLAGS=--xla_force_host_platform_device_count=8 makes 8 of a CPU)"
        requirement = f"need at most {present} devices, those at hand{hint}"
        check(needed <= present, "mesh", requirement, needed)
        requirement = f"need all {present} devices of the processes"
        check(is_alone() or needed == present, "mesh", requirement, needed)


def make_mesh(sizes: Mapping[str, int]) -> Mesh | None:
    """Returns a mesh with axes :data:`AXES`, or None where one device is all that is asked for.

    The mesh takes the first devices of :func:`jax.devices`, those of every process.

    Args:
      sizes: devices along each axis; axes left out have 1.

    Raises:
      RequirementError: as :func:`check_mesh`.
    """
    check_mesh(sizes)
    shape = tuple(sizes.get(axis, 1) for axis in AXES)
    needed = math.prod(shape)
    if needed == 1:
        return None
    return Mesh(np.asarray(jax.devices()[:needed]).reshape(shape), AXES)


def spread(mesh: Mesh | None, *axes: str | None) -> NamedSharding | None:
    """Returns how an array lies on the mesh: its axes, in order, along the named ones.

    Args:
      mesh: from :func:`make_mesh`.
      *axes: for each axis of the array, one of :data:`AXES` or None; none at all: a copy on
        every device.
    """
    return None if mesh is None else NamedSharding(mesh, PartitionSpec(*axes))
