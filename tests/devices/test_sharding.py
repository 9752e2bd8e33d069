"""A run over eight devices gives the numbers of one device to rounding, and stays where it lies."""

import json
import pathlib
import subprocess
import sys

import pandas as pd
import pytest

from rf_limits.errors import RequirementError
from rf_limits.training.validation import validate
from tests.devices.meshes import CASES, PLAIN, configured, differences, environment
from tests.variants import kept

ROOT = pathlib.Path(__file__).parents[2]
# Sums over rows and units are taken in another order, 20 steps long, in float64 (2e-16): columns
# differ by some 1e-15 of their size, exact risks, sums of N^2 terms that cancel, by up to 6e-13.
TOLERANCE = 1e-11
# This column is itself the length of a rounding error, of a step of 50 weights or more: sums in
# another order round in another way, and two such lengths are apart by 1/sqrt(50) = 0.14 of their
# size in a standard deviation, of which this is five.
ROUNDING = 0.7

MESHES = {
    case: [(8, 1, 1), (2, 2, 2), (1, 8, 1), (1, 1, 8)] for case in ("alongside", "minibatches")
}
MESHES |= {case: [(8, 1, 1), (2, 2, 2)] for case in ("closed_form", "antisymmetric", "stream")}
MESHES |= {"flow": [(2, 2, 2)], "population": [(2, 2, 2)], "three_seeds": [(4, 1, 2)]}
ALL = [(case, mesh) for case, meshes in MESHES.items() for mesh in meshes]
QUICK = [("alongside", (2, 2, 2)), ("minibatches", (8, 1, 1))]


def name_of(case, mesh):
    return f"{case}:{'x'.join(map(str, mesh))}"


def carried_out(folder, names):
    """Runs the cases named in one process with eight devices; where their tables are."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.devices.meshes", str(folder), *names],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory, request):
    """Everything that the tests selected ask for, run in one process."""
    items = [item for item in request.session.items if item.path == request.path]
    asked = [item.callspec.params.get("pair") for item in items if hasattr(item, "callspec")]
    wanted = [pair for pair in ALL if pair in asked or pair in QUICK]
    names = [name_of(case, PLAIN) for case in dict(wanted)]
    names += [name_of(*pair) for pair in wanted]
    names += [f"{name_of(*QUICK[0])}+resumed"]
    return carried_out(tmp_path_factory.mktemp("meshes"), names)


def read(folder, name):
    return pd.read_parquet(folder / f"{name.replace(':', '-')}.parquet")


@pytest.mark.parametrize("pair", kept(ALL, QUICK), ids=lambda pair: name_of(*pair))
def test_agrees_with_one_device(tables, pair):
    case, _ = pair
    sizes = differences(read(tables, name_of(*pair)), read(tables, name_of(case, PLAIN)))
    assert sizes.pop("rounding_error", 0.0) < ROUNDING
    assert max(sizes.values(), default=0.0) < TOLERANCE, sizes


@pytest.mark.parametrize("pair", QUICK, ids=lambda pair: name_of(*pair))
def test_lies_on_all_devices_and_stays_there(tables, pair):
    facts = json.loads((tables / "facts.json").read_text())[name_of(*pair)]
    assert facts["devices"] == [8]
    assert facts["compiled_again"] == 0
    assert facts["layout_stays"]
    _, (seeds, data, width) = pair
    assert facts["mesh"] == {"seeds": seeds, "data": data, "width": width}
    for array, parts in [("kernel", (seeds, 1, width)), ("x", (seeds, data, 1))]:
        shape, part = facts[array]
        assert part == [size // count for size, count in zip(shape, parts, strict=True)]


def test_stopped_and_resumed_to_the_last_bit(tables):
    name = name_of(*QUICK[0])
    facts = json.loads((tables / "facts.json").read_text())
    assert facts[f"{name}+resumed"] > 2
    pd.testing.assert_frame_equal(
        read(tables, f"{name}+resumed"), read(tables, name), check_exact=True
    )


@pytest.mark.slow
def test_together_as_alone(tmp_path):
    name = name_of(*QUICK[1])
    carried_out(tmp_path, [name, f"{name}+together"])
    alone, together = read(tmp_path, name), read(tmp_path, f"{name}+together")
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        ((3, 1, 1), r"mesh\.seeds must divide .*lazy scales\), 8, but received 3"),
        ((1, 3, 1), r"mesh\.data must divide data\.num_train, 40, but received 3"),
        ((1, 1, 16), r"mesh\.width must divide every width, 8, but received 16"),
        ((1, 20, 1), r"mesh\.data must divide training\.batch_size, 8, but received 20"),
        ((0, 1, 1), r"mesh\.seeds must be a whole number of at least 1, but received 0"),
        ((2, 2, 2), r"mesh must need at most 1 devices, those at hand \(XLA_FLAGS=.*received 8"),
    ],
)
def test_refusals(mesh, message, monkeypatch):
    needs_devices = "at hand" in message
    if not needs_devices:
        monkeypatch.setattr("rf_limits.devices.mesh.jax.device_count", lambda: 1000)
    with pytest.raises(RequirementError, match=message):
        validate(configured("minibatches", mesh))


def test_every_case_is_on_a_mesh():
    assert set(MESHES) == set(CASES)
