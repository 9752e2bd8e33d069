"""Arrays from files of every format, and what is refused."""

import collections
import io
import json
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
from flax import serialization

from rf_limits.certifying.files import read_arrays
from rf_limits.certifying.layer_files import layer_arrays
from rf_limits.errors import RequirementError

RNG = np.random.default_rng(0)
W, U, B = RNG.standard_normal((6, 4)), RNG.standard_normal((1, 6)), RNG.standard_normal(6)


def npz(path, arrays):
    np.savez(path, **arrays)


def safetensors(path, arrays):
    header, body = {"__metadata__": {"format": "np"}}, b""
    for name, array in arrays.items():
        data = np.ascontiguousarray(array, "<f4").tobytes()
        ends = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": ends}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def msgpack(path, arrays):
    path.write_bytes(serialization.msgpack_serialize(dict(arrays)))


class Storage:
    """Stands for a storage in a pickle."""

    def __init__(self, key, numel):
        self.pid = ("storage", sys.modules["torch"].FloatStorage, key, "cpu", numel)


class Tensor:
    """Pickles as torch.save has it: a call of torch._utils._rebuild_tensor_v2."""

    def __init__(self, key, array, offset=0):
        self.key, self.array, self.offset = key, array, offset

    def __reduce__(self):
        strides = tuple(step // self.array.itemsize for step in self.array.strides)
        storage = Storage(self.key, self.array.size)
        hooks = collections.OrderedDict()
        args = (storage, self.offset, self.array.shape, strides, False, hooks)
        return sys.modules["torch._utils"]._rebuild_tensor_v2, args


class Pickler(pickle.Pickler):
    """Writes storages as persistent ids."""

    def persistent_id(self, obj):
        return obj.pid if isinstance(obj, Storage) else None


def torch_zip(path, state, storages):
    """Writes what torch.save does, with modules that stand for those of PyTorch."""
    with pytest.MonkeyPatch.context() as patch:
        module, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
        module.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})

        def rebuild(*args):
            raise AssertionError(args)

        rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
        utils._rebuild_tensor_v2, module._utils = rebuild, utils
        patch.setitem(sys.modules, "torch", module)
        patch.setitem(sys.modules, "torch._utils", utils)
        file = io.BytesIO()
        Pickler(file, protocol=2).dump(state)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", file.getvalue())
        archive.writestr("net/byteorder", "little")
        for key, array in storages.items():
            archive.writestr(f"net/data/{key}", array.tobytes("A"))


def torch(path, arrays):
    flat = {str(i): np.asarray(a, "<f4") for i, a in enumerate(arrays.values())}
    state = collections.OrderedDict(
        (name, Tensor(key, flat[key])) for name, key in zip(arrays, flat, strict=True)
    )
    torch_zip(path, state, flat)


FORMATS = {"npz": npz, "safetensors": safetensors, "msgpack": msgpack, "pt": torch, "pth": torch}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_back_its_arrays(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    FORMATS[suffix](path, {"fc1.weight": W, "fc1.bias": B, "fc2.weight": U})
    found = read_arrays(path)
    assert set(found) == {"fc1.weight", "fc1.bias", "fc2.weight"}
    np.testing.assert_allclose(found["fc1.weight"], W, rtol=1e-6)
    weights, layout = layer_arrays(found)
    assert layout == "torch"
    for array, expected in zip(weights, (W, U, B), strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-6)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_is_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    FORMATS[suffix](path, {"W": W, "u": U})
    whole = path.read_bytes()
    for size in (0, 5, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(RequirementError, match="--weights must"):
            read_arrays(path)


def test_a_transposed_tensor_of_pytorch_keeps_its_strides(tmp_path):
    path, array = tmp_path / "net.pt", np.asfortranarray(W, "<f4")
    torch_zip(path, {"model": {"W": Tensor("0", array)}}, {"0": array})
    np.testing.assert_array_equal(read_arrays(path)["model.W"], array)


class Harm:
    """Runs a command where it is unpickled without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_calls_anything_else_is_refused_and_not_run(tmp_path):
    path, trace = tmp_path / "net.pt", tmp_path / "trace"
    torch_zip(path, {"W": Harm(trace)}, {})
    with pytest.raises(RequirementError, match="mkdir, and only tensors and plain containers"):
        read_arrays(path)
    assert not trace.exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    path, array = tmp_path / "net.pt", np.asarray(W, "<f4")
    torch_zip(path, {"W": Tensor("0", array, offset=1)}, {"0": array})
    with pytest.raises(RequirementError, match="W reaches beyond its data"):
        read_arrays(path)


def test_objects_of_numpy_and_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "net.npz", W=np.array([{}], object))
    (tmp_path / "net.txt").write_text("W")
    for name in ("net.npz", "net.txt", "missing.npz"):
        with pytest.raises(RequirementError, match="--weights must"):
            read_arrays(tmp_path / name)


def test_kernels_of_flax_are_known_by_the_number_of_neurons(tmp_path):
    path = tmp_path / "net.msgpack"
    tree = {"params": {"Dense_0": {"kernel": W.T, "bias": B}, "Dense_1": {"kernel": U.T}}}
    path.write_bytes(serialization.msgpack_serialize(tree))
    weights, layout = layer_arrays(read_arrays(path))
    assert layout == "flax"
    assert len(weights) == 3


def test_shapes_decide_where_there_is_one_possibility():
    weights, _ = layer_arrays({"x": W, "y": U, "z": B, "o": np.zeros(1)})
    assert weights[1] is U
    assert weights[2] is B
    with pytest.raises(RequirementError, match=r"--names say which of x \(6, 4\), y \(6,\)"):
        layer_arrays({"x": W, "y": B, "z": B})


def test_what_cannot_be_told_is_refused():
    square = np.eye(6)
    with pytest.raises(RequirementError, match="--layout must be given"):
        layer_arrays({"W": square, "u": B})
    assert layer_arrays({"W": square, "u": B}, layout="flax").layout == "flax"
    with pytest.raises(RequirementError, match="output bias of 0"):
        layer_arrays({"fc1.weight": W, "fc2.weight": U, "fc2.bias": np.ones(1)})
    with pytest.raises(RequirementError, match="--names must be among"):
        layer_arrays({"W": W, "u": B}, names=("W", "v"))
