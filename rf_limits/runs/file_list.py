"""The list of files that a run has written into its directory, and may remove."""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from rf_limits.errors import RequirementError
from rf_limits.runs.files import storage_error, write_whole

LIST = "written.txt"
"""A path below the directory in every line; kept until the run is complete."""


class FileList:
    """The files that a run wrote into its directory, from its list; only those are ever removed.

    A file is listed before it is written, so that a process that is killed leaves no file that is
    not listed. Other files in the place of a new one are kept under their name with a tilde
    behind it.

    Args:
      path: the directory.
      before: returns the names that a run listed elsewhere, where there is no list.

    Attributes:
      moved: old and new paths of other files that were in the way.
    """

    def __init__(self, path: Path, before: Callable[[], Iterable[str]] = tuple):
        self.path, self._before = path, before
        self.moved: list[tuple[Path, Path]] = []

    def names(self) -> list[str]:
        """Returns paths of the run's files below the directory, in the order they were written.

        Raises:
          RequirementError: the list is there and cannot be read.
        """
        try:
            return list(dict.fromkeys((self.path / LIST).read_text().split("\n")[:-1]))
        except (FileNotFoundError, NotADirectoryError):
            return list(self._before())
        except (OSError, UnicodeDecodeError) as error:
            raise RequirementError(f"{self.path / LIST} must be readable: {error}.") from error

    def __contains__(self, path: Path) -> bool:
        return self._name(path) in self.names()

    def within(self, folder: str, suffix: str = "") -> list[Path]:
        """Returns the run's files in a folder that exist, by name."""
        paths = (self.path / name for name in self.names() if name.startswith(f"{folder}/"))
        return sorted(path for path in paths if path.name.endswith(suffix) and path.is_file())

    def add(self, path: Path) -> Path:
        """Lists a file that is about to be written, and moves another file out of its way.

        Returns:
          The path.

        Raises:
          StorageError: the list cannot be written.
        """
        if path in self and not path.is_dir():
            return path
        try:
            if path.parent != self.path and not path.parent.is_dir():
                self.put_aside(path.parent)
            self.put_aside(path)
        except OSError as error:
            raise storage_error(path, error) from error
        self.made(path)
        return path

    def made(self, path: Path) -> None:
        """Lists a file, also one that a library has named; leaves out files that are gone."""
        left = (name for name in self.names() if os.path.exists(self.path / name))
        self.write([*left, self._name(path)])

    def write(self, names: Iterable[str]) -> None:
        """Writes the whole list."""
        text = "".join(f"{name}\n" for name in dict.fromkeys(names))
        write_whole(self.path / LIST, lambda temporary: temporary.write_text(text))

    def remove(self, *places: str) -> None:
        """Removes the run's files of these names or in these folders, and folders left empty."""
        for name in self.names():
            if not f"{name}/".startswith(tuple(f"{place}/" for place in places)):
                continue
            path = self.path / name
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            if path.parent != self.path:
                with contextlib.suppress(OSError):  # others' files are in it
                    path.parent.rmdir()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def put_aside(self, path: Path) -> None:
        """Renames a file or folder at ``path``, if there is one."""
        if not os.path.lexists(path):
            return
        new, number = path.with_name(f"{path.name}~"), 1
        while os.path.lexists(new):
            number += 1
            new = path.with_name(f"{path.name}~{number}")
        path.rename(new)
        self.moved.append((path, new))
