"""The list of files that a run has written into its directory: those are its own, no others."""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from rf_limits.errors import RequirementError
from rf_limits.runs.files import StorageError, write_whole

LIST = "written.txt"
"""A path below the directory in every line, there from a run's beginning until it is complete."""
_LONG = 256  # lines; from there on those of files that are gone are left out


class Written:
    """What a run wrote into its directory, by its own list; only that is ever removed.

    A file is listed before it is written, so that a process that is killed leaves none that is
    not listed. What somebody else has put where a file is to be written is kept under its name
    with a tilde behind it.

    Args:
      path: the directory.
      before: the names that a run listed elsewhere, where there is no list.
    """

    def __init__(self, path: Path, before: Callable[[], Iterable[str]] = tuple):
        self.path, self._before = path, before
        self.moved: list[tuple[Path, Path]] = []

    def names(self) -> list[str]:
        """Paths of the run's files below the directory, in the order they were first written.

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
        """The run's files in a folder that are there, by name."""
        found = (self.path / name for name in self.names() if name.startswith(f"{folder}/"))
        return sorted(path for path in found if path.name.endswith(suffix) and path.is_file())

    def add(self, path: Path) -> Path:
        """Lists a file that is about to be written, and moves another's out of its way.

        Returns:
          The path.

        Raises:
          StorageError: the list cannot be written.
        """
        names = self.names()
        if self._name(path) in names and not path.is_dir():
            return path
        try:
            folder = path.parent
            if folder != self.path and not folder.is_dir():
                self.put_aside(folder)
            self.put_aside(path)
            if len(names) >= _LONG or not self._ends_whole():
                self.write([*(n for n in names if (self.path / n).exists()), self._name(path)])
                return path
            with (self.path / LIST).open("a") as file:
                file.write(f"{self._name(path)}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = error.strerror or str(error)
            raise StorageError(f"{self.path / LIST} could not be written: {reason}.") from error
        return path

    def made(self, path: Path) -> None:
        """Lists a file that a library has made, under a name that it chose."""
        self.write([*self.names(), self._name(path)])

    def write(self, names: Iterable[str]) -> None:
        """Writes the whole list."""
        text = "".join(f"{name}\n" for name in dict.fromkeys(names))
        write_whole(self.path / LIST, lambda temporary: temporary.write_text(text))

    def remove(self, folder: str = "") -> None:
        """Removes the run's files, or those in one folder, and folders that are empty then."""
        for name in self.names():
            if folder and not name.startswith(f"{folder}/"):
                continue
            path = self.path / name
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()
            if path.parent != self.path:
                with contextlib.suppress(OSError):  # others' files are in it
                    path.parent.rmdir()

    def _ends_whole(self) -> bool:
        """Whether the list is there, and a crash has not cut its last line."""
        path = self.path / LIST
        return path.is_file() and path.read_bytes()[-1:] in (b"", b"\n")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def put_aside(self, path: Path) -> None:
        """Gives what is at ``path``, if anything is, another name."""
        if not os.path.lexists(path):
            return
        new, number = path.with_name(f"{path.name}~"), 1
        while os.path.lexists(new):
            number += 1
            new = path.with_name(f"{path.name}~{number}")
        path.rename(new)
        self.moved.append((path, new))
