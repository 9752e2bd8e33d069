"""Saved states: arrays come back as saved, damage is seen, and the state before it is used."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rf_limits.runs.checkpoints import Checkpoints, DamagedError, dump_arrays, load_arrays
from rf_limits.runs.file_list import FileList

ARRAYS = {
    "step": np.asarray(7),
    "state.0": np.linspace(0.0, 1.0, 12, dtype=np.float32).reshape(3, 4),
    "a name with spaces": np.arange(5),
    "empty": np.zeros((0, 3)),
    "text": np.frombuffer(b'[{"risk": NaN}]', np.uint8),
    "flag": np.asarray(True),
    "half": np.asarray(1.5, np.float16),
    "bits of a bfloat16": np.asarray([0x3FC0, 0x7FC1], np.uint16),
    "not a number": np.asarray([np.nan, -0.0, np.inf]),
    "file": np.zeros(2, np.int8),
    "names": np.ones(1),
    "a/b.npy": np.arange(2),
    "columns first": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
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
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_every_flipped_bit_is_seen():
    data = written()
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(DamagedError):
                load_arrays(io.BytesIO(bytes(flipped)))


@given(st.integers(0, len(written()) - 1))
def test_every_cut_is_seen(length):
    with pytest.raises(DamagedError):
        load_arrays(io.BytesIO(written()[:length]))


def checkpoints(tmp_path):
    notes = []
    return Checkpoints(tmp_path / "states", notes.append, FileList(tmp_path)), notes


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


def written_by_form_2(arrays):
    """A file as versions before the archive wrote it."""
    file = io.BytesIO(b"rf_limits state 2\n")
    file.seek(0, io.SEEK_END)
    for name, array in arrays.items():
        file.write(name.encode() + b"\n")
        np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue() + hashlib.sha256(file.getvalue()).digest()


def test_a_state_of_an_earlier_form_is_refused_in_one_line(tmp_path):
    states, notes = checkpoints(tmp_path)
    states.save("w", {"step": np.asarray(1)})
    path = states.folder / "w.0.state"
    path.write_bytes(written_by_form_2({"step": np.asarray(1)}))
    assert states.load("w") is None
    reason = "not a state of this version of rf_limits; going on from the state before it."
    assert notes == [f"{path} is {reason}"]
