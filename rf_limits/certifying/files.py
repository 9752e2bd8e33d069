"""Arrays by name from files of NumPy, safetensors, Flax and PyTorch, without running any code.

Sources of the formats: https://github.com/huggingface/safetensors (eight bytes with the length of
a JSON header, the header, raw little-endian data); torch.save, whose zip file holds a pickle that
names tensors and, beside it, their data. Of that pickle only plain containers and the calls that
make tensors are read.
"""

import collections
import io
import json
import math
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import serialization

from rf_limits.errors import RequirementError

Arrays = dict[str, np.ndarray]

_BFLOAT16 = np.dtype(jnp.bfloat16)
_SAFETENSORS = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": _BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _DamageError(Exception):
    """What is wrong with a file, to follow "but"."""


def _npz(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        if not isinstance(file, Mapping):
            raise _DamageError("it is not an archive of arrays")
        return {name: file[name] for name in file}


def _safetensors(data: bytes) -> Arrays:
    start = 8 + int.from_bytes(data[:8], "little")
    if len(data) < 8 or start > len(data):
        raise _DamageError("it is cut off within its header")
    header = json.loads(data[8:start])
    body, arrays = memoryview(data)[start:], {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = _SAFETENSORS.get(entry["dtype"])
        if dtype is None:
            raise _DamageError(f"{name} has the type {entry['dtype']}")
        first, last = entry["data_offsets"]
        shape = tuple(map(int, entry["shape"]))
        if not 0 <= first <= last <= len(body):
            raise _DamageError(f"it is cut off within {name}")
        if min(shape, default=0) < 0 or last - first != math.prod(shape) * dtype.itemsize:
            raise _DamageError(f"the data of {name} do not fill the shape {shape}")
        arrays[name] = np.frombuffer(body[first:last], dtype).reshape(shape)
    return arrays


def _msgpack(data: bytes) -> Arrays:
    return _leaves(serialization.msgpack_restore(data), "/")


class _Tensor(NamedTuple):
    """A view of a storage, in numbers of entries, as the pickle of PyTorch describes a tensor."""

    storage: tuple[Any, ...]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Reads plain containers and descriptions of tensors, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for a name in the pickle; nothing of PyTorch is imported."""
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda *args: _Tensor(*args[:4]),
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        }
        if (module, name) in allowed:
            return allowed[module, name]
        if module == "torch" and name in _STORAGES:
            return name
        raise _DamageError(
            f"it holds {module}.{name}, and only tensors and plain containers are read"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Returns the description of a storage."""
        return pid


def _torch(data: bytes) -> Arrays:
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    pickles = [name for name in names if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise _DamageError("it is not what torch.save writes")
    folder = pickles[0].removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in names and archive.read(order) != b"little":
        raise _DamageError("its numbers are not little-endian")
    tree = _Unpickler(io.BytesIO(archive.read(pickles[0]))).load()
    tensors = _leaves(tree, ".", _Tensor)
    return {name: _view(archive, folder, name, tensor) for name, tensor in tensors.items()}


def _view(archive: zipfile.ZipFile, folder: str, name: str, tensor: _Tensor) -> np.ndarray:
    """Returns the array of a tensor, whose view has to lie within its storage."""
    kind, storage, key = tensor.storage[:3]
    dtype = _STORAGES.get(storage) if kind == "storage" else None
    if dtype is None:
        raise _DamageError(f"{name} has a storage of an unknown kind")
    flat = np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)
    shape, strides = tuple(map(int, tensor.shape)), tuple(map(int, tensor.strides))
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    inside = min((*shape, *strides, tensor.offset), default=0) >= 0
    if 0 in shape:
        return np.zeros(shape, dtype)
    if not inside or tensor.offset + reach >= flat.size or math.prod(shape) > flat.size:
        raise _DamageError(f"{name} reaches beyond its data")
    steps = [step * dtype.itemsize for step in strides]
    return np.array(np.lib.stride_tricks.as_strided(flat[tensor.offset :], shape, steps))


def _leaves(tree: Any, between: str, kind: type = np.ndarray, prefix: str = "") -> dict[str, Any]:
    """Returns the leaves of one kind of a tree of containers, by their joined names."""
    if isinstance(tree, kind):
        return {prefix: tree}
    if isinstance(tree, (list, tuple)):
        tree = dict(enumerate(tree))
    found: dict[str, Any] = {}
    for name, value in tree.items() if isinstance(tree, Mapping) else ():
        found |= _leaves(value, between, kind, f"{prefix}{between}{name}" if prefix else str(name))
    return found


_READERS: dict[str, Callable[[bytes], Arrays]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".msgpack": _msgpack,
    ".pt": _torch,
    ".pth": _torch,
}


def read_arrays(path: str | Path, flag: str = "--weights") -> Arrays:
    """Returns the arrays of a file by name; names within trees are joined with "/" or ".".

    Args:
      path: the file, .npz, .safetensors, .msgpack (Flax), .pt or .pth (state_dict of PyTorch).
      flag: by which the user named the file.

    Raises:
      RequirementError: a file of another kind, missing, cut off, or with anything but arrays.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix)
    if reader is None:
        kinds = ", ".join(_READERS)
        raise RequirementError(f"must end in one of {kinds}, but received {path}.", field=flag)
    try:
        arrays = reader(path.read_bytes())
    except OSError as error:
        line = f"must be a file that can be read, but {path} is not ({error.strerror or error})."
        raise RequirementError(line, field=flag) from error
    except _DamageError as error:
        raise RequirementError(f"must be whole arrays, but {path}: {error}.", field=flag) from error
    except Exception as error:  # whatever damaged bytes lead a reader to
        line = f"must be a whole file of arrays, but {path} is damaged ({type(error).__name__})."
        raise RequirementError(line, field=flag) from error
    if not arrays:
        raise RequirementError(f"must hold arrays, but {path} holds none.", field=flag)
    return arrays


def listed(arrays: Mapping[str, np.ndarray]) -> str:
    """Returns names and shapes of arrays in a line."""
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
