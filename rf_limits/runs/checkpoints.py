"""States on disk: named arrays in one file, with a checksum, the last two of every name.

A file is a line that says what it is, then for every array its name and its ``.npy`` form, then
the SHA-256 of all that. It is written beside its place and moved there in one step, so it is
there whole or not at all; what a disk does to it later the checksum tells.
"""

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rf_limits.runs.files import write_whole
from rf_limits.runs.written import Written

_MAGIC = b"rf_limits state 2\n"
"""Version 1 held parameters, where states of training hold their change."""
_DIGEST = hashlib.sha256().digest_size
_KEPT = 2
_CHUNK = 1 << 22


class DamagedError(ValueError):
    """A file of a state is not what was written."""


class _Hashing:
    """A file being written, hashed on the way."""

    def __init__(self, file: io.BufferedIOBase):
        self.file, self.hash = file, hashlib.sha256()

    def write(self, data) -> int:
        """Writes and hashes."""
        self.hash.update(data)
        return self.file.write(data)


def dump_arrays(file: io.BufferedIOBase, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes ``arrays`` to an open file.

    Args:
      file: open for writing.
      arrays: of numbers or characters, by name; a name is one line.
    """
    hashing = _Hashing(file)
    hashing.write(_MAGIC)
    for name, array in arrays.items():
        hashing.write(name.encode() + b"\n")
        np.lib.format.write_array(hashing, np.asarray(array), allow_pickle=False)
    file.write(hashing.hash.digest())


def load_arrays(file: io.BufferedIOBase) -> dict[str, np.ndarray]:
    """Reads what :func:`dump_arrays` wrote to a file open for reading.

    Raises:
      DamagedError: the file is cut short, or its checksum is not that of its contents.
    """
    size = file.seek(0, io.SEEK_END) - _DIGEST
    if size < len(_MAGIC):
        raise DamagedError(f"cut short, {size + _DIGEST} bytes")
    file.seek(0)
    found, left = hashlib.sha256(), size
    while left > 0:
        data = file.read(min(left, _CHUNK))
        found.update(data)
        left -= len(data)
    if file.read(_DIGEST) != found.digest():
        raise DamagedError("its checksum does not match")
    file.seek(0)
    if file.readline() != _MAGIC:
        raise DamagedError("a state of another version of rf_limits")
    arrays = {}
    while file.tell() < size:
        name = file.readline().decode().removesuffix("\n")
        arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


class Checkpoints:
    """States by name in one folder, the last two of each.

    Args:
      folder: made when needed.
      note: called with a line of text where a file turns out damaged.
      written: what the run wrote, where the folder may hold others' files.
    """

    def __init__(self, folder: Path, note: Callable[[str], None], written: Written | None = None):
        self.folder, self.note, self.written = folder, note, written

    def _files(self, name: str) -> list[tuple[int, Path]]:
        """Numbers and files of one name, oldest first."""
        pattern = re.compile(re.escape(name) + r"\.(\d+)\.state")
        if self.written is None:
            paths = self.folder.glob("*.state")
        else:
            paths = self.written.within(self.folder.name, ".state")
        found = ((pattern.fullmatch(path.name), path) for path in paths)
        return sorted((int(match.group(1)), path) for match, path in found if match)

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes the next state of ``name`` and forgets all but the last two.

        Raises:
          StorageError: the disk is full, or cannot be written to.
        """
        files = self._files(name)
        number = files[-1][0] + 1 if files else 0

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                dump_arrays(file, arrays)

        path = self.folder / f"{name}.{number}.state"
        write_whole(path if self.written is None else self.written.add(path), write)
        for _, path in files[: len(files) + 1 - _KEPT]:
            path.unlink()

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """The last state of ``name`` that is whole, or None; damaged ones are named and removed."""
        for _, path in reversed(self._files(name)):
            try:
                with path.open("rb") as file:
                    return load_arrays(file)
            except (DamagedError, OSError, ValueError) as error:
                self.note(f"{path} is damaged ({error}); going on from the state before it.")
                path.unlink(missing_ok=True)
        return None

    def forget(self, name: str) -> None:
        """Removes the states of ``name``."""
        for _, path in self._files(name):
            path.unlink()

    def clear(self) -> None:
        """Removes all states."""
        for path in self.folder.glob("*.state"):
            path.unlink()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
