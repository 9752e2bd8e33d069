"""Saved states: named arrays in one file, with a checksum, the last two of every name.

A file is a line with the version of its form, the SHA-256 of what follows, and NumPy's ``.npz``
archive of the arrays. The checksum is compared before anything is unpacked: an archive with a
changed bit may load without one of its arrays. A file is written beside its place and moved there
in one step, so it is there whole or not at all.
"""

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rf_limits.runs.file_list import FileList
from rf_limits.runs.files import write_whole

_FORM = b"rf_limits state 3\n"
"""Form 1 held parameters, where states of training hold their change; form 2 was no archive."""
_DIGEST = hashlib.sha256().digest_size
_STATES_PER_NAME = 2
SUFFIX = ".state"
_CHUNK = 1 << 22  # bytes


class DamagedError(ValueError):
    """A file is not a state as this version writes it; the text follows "is"."""


def _sha256(file: io.BufferedIOBase) -> bytes:
    """Returns the hash of a file from its current position to its end."""
    digest = hashlib.sha256()
    while data := file.read(_CHUNK):
        digest.update(data)
    return digest.digest()


def dump_arrays(file: io.BufferedIOBase, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes ``arrays`` to an empty file.

    Args:
      file: open for writing and reading.
      arrays: of numbers or characters, by name.
    """
    file.write(_FORM + bytes(_DIGEST))
    np.savez(file, *arrays.values(), names=np.array(list(arrays), str))
    file.seek(len(_FORM) + _DIGEST)
    digest = _sha256(file)
    file.seek(len(_FORM))
    file.write(digest)


def load_arrays(file: io.BufferedIOBase) -> dict[str, np.ndarray]:
    """Reads what :func:`dump_arrays` wrote to a file open for reading.

    Raises:
      DamagedError: the file is of another form, or its checksum is not that of its contents.
    """
    file.seek(0)
    if file.read(len(_FORM)) != _FORM:
        raise DamagedError("not a state of this version of rf_limits")
    if file.read(_DIGEST) != _sha256(file):
        raise DamagedError("damaged (its checksum does not match)")
    file.seek(len(_FORM) + _DIGEST)
    with np.load(file, allow_pickle=False) as archive:
        names = archive["names"].tolist()
        return {name: archive[f"arr_{i}"] for i, name in enumerate(names)}


class Checkpoints:
    """States by name in one folder of a run, the last two of each.

    Args:
      folder: right below the run's directory; made when needed.
      note: called with a line of text where a file cannot be used.
      written: the run's list of its files.
    """

    def __init__(self, folder: Path, note: Callable[[str], None], written: FileList):
        self.folder, self.note, self.written = folder, note, written

    def _files(self, name: str) -> list[tuple[int, Path]]:
        """Returns numbers and files of one name, the oldest first."""
        pattern = re.compile(re.escape(name) + r"\.(\d+)\.state")
        paths = self.written.within(self.folder.name, SUFFIX)
        matches = ((pattern.fullmatch(path.name), path) for path in paths)
        return sorted((int(match.group(1)), path) for match, path in matches if match)

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Writes the next state of ``name`` and removes all but the last two.

        Raises:
          StorageError: the disk is full, or cannot be written to.
        """
        files = self._files(name)
        number = files[-1][0] + 1 if files else 0

        def write(temporary: Path) -> None:
            with temporary.open("w+b") as file:
                dump_arrays(file, arrays)

        path = self.folder / f"{name}.{number}{SUFFIX}"
        write_whole(self.written.add(path), write)
        for _, old in files[: len(files) + 1 - _STATES_PER_NAME]:
            old.unlink()

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """Returns the last whole state of ``name``, or None.

        A file that cannot be used is named in a note and removed.
        """
        for _, path in reversed(self._files(name)):
            try:
                with path.open("rb") as file:
                    return load_arrays(file)
            except (OSError, ValueError) as error:
                reason = error if isinstance(error, DamagedError) else f"damaged ({error})"
                self.note(f"{path} is {reason}; going on from the state before it.")
                path.unlink(missing_ok=True)
        return None

    def forget(self, name: str) -> None:
        """Removes the states of ``name``."""
        for _, path in self._files(name):
            path.unlink()
