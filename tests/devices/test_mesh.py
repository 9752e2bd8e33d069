"""Meshes are made of what there is, and refused where there is not enough."""

import jax
import pytest

from rf_limits.devices.mesh import AXES, check_mesh, make_mesh, spread
from rf_limits.errors import RequirementError


def test_one_device_needs_no_mesh():
    assert make_mesh({"seeds": 1, "data": 1, "width": 1}) is None
    assert make_mesh({}) is None
    assert spread(None, "seeds") is None


def test_more_devices_than_there_are_are_refused():
    count = jax.device_count()
    with pytest.raises(
        RequirementError, match=f"mesh must need at most {count} devices.*{2 * count}"
    ):
        make_mesh({"data": 2 * count})


@pytest.mark.parametrize("size", [0, -1, True])
def test_sizes_are_positive_whole_numbers(size):
    with pytest.raises(RequirementError, match="mesh.seeds must be a whole number"):
        check_mesh({"seeds": size})


def test_unknown_axes_are_named():
    with pytest.raises(RequirementError, match=f"be one of {', '.join(AXES)}"):
        check_mesh({"rows": 1})
