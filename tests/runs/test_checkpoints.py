"""States on disk: what was written comes back, damage is seen, and the state before it is used."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rf_limits.runs.checkpoints import Checkpoints, DamagedError, dump_arrays, load_arrays

ARRAYS = {
    "step": np.asarray(7),
    "state.0": np.linspace(0.0, 1.0, 12, dtype=np.float32).reshape(3, 4),
    "a name with spaces": np.arange(5),
    "empty": np.zeros((0, 3)),
    "text": np.frombuffer(b'[{"risk": NaN}]', np.uint8),
}


def written(arrays=ARRAYS):
    file = io.BytesIO()
    dump_arrays(file, arrays)
    return file.getvalue()


def test_arrays_come_back_as_they_were():
    found = load_arrays(io.BytesIO(written()))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@given(st.integers(0, len(written()) - 1), st.integers(1, 255))
def test_every_changed_byte_is_seen(place, change):
    data = bytearray(written())
    data[place] ^= change
    with pytest.raises(DamagedError):
        load_arrays(io.BytesIO(bytes(data)))


@given(st.integers(0, len(written()) - 1))
def test_every_cut_is_seen(length):
    with pytest.raises(DamagedError):
        load_arrays(io.BytesIO(written()[:length]))


def checkpoints(tmp_path):
    notes = []
    return Checkpoints(tmp_path / "states", notes.append), notes


def test_the_last_two_states_are_kept(tmp_path):
    states, notes = checkpoints(tmp_path)
    assert states.load("width-4") is None
    for step in range(4):
        states.save("width-4", {"step": np.asarray(step)})
        states.save("width-4.x", {"step": np.asarray(-step)})
    assert states.load("width-4")["step"] == 3
    assert states.load("width-4.x")["step"] == -3
    assert len(list(states.folder.iterdir())) == 4
    states.forget("width-4")
    assert states.load("width-4") is None
    assert states.load("width-4.x")["step"] == -3
    assert not notes


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_state_is_named_and_the_one_before_used(tmp_path, damage):
    states, notes = checkpoints(tmp_path)
    for step in range(2):
        states.save("w", {"step": np.asarray(step)})
    last = states.folder / "w.1.state"
    data = last.read_bytes()
    changed = data[:30] + bytes([data[30] ^ 1]) + data[31:]
    last.write_bytes({"cut": data[:-1], "changed": changed, "empty": b""}[damage])
    assert states.load("w")["step"] == 0
    assert str(last) in notes[0]
    assert "going on from the state before it" in notes[0]
    states.save("w", {"step": np.asarray(2)})
    assert states.load("w")["step"] == 2
    assert len(notes) == 1
