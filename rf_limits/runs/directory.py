"""Work directories of runs and sweeps: records in JSON, and one process at a time."""

import contextlib
import fcntl
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from rf_limits.errors import RequirementError, check
from rf_limits.runs.files import TEMPORARY, write_whole

CONFIG = "config.json"
RUN = "run.json"
LOCK = ".lock"
_WRITABLE = "take files"
_PATIENCE = 2.0  # seconds: who only looks whether a run is going on holds the lock briefly


def plain(value: Any) -> Any:
    """Returns a value with tuples as lists and non-finite floats as strings, as JSON holds them."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Returns the dotted names at which two configs differ; whole sections where one lacks them."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = []
        for key in sorted(old.keys() | new.keys()):
            names += differences(old.get(key), new.get(key), f"{prefix}{key}.")
        return names
    return [] if old == new else [prefix.rstrip(".")]


def directory_exists(path: Path) -> bool:
    """Returns whether there is a directory; not where its parent cannot be entered.

    Raises:
      RequirementError: there is something else.
    """
    exists = os.path.exists(path)
    if exists and not path.is_dir():
        raise RequirementError(f"must be a directory, but received {path}.", field="--workdir")
    return exists


def check_takes_files(path: Path, field: str) -> None:
    """Refuses a directory that cannot be written to, or made.

    Raises:
      RequirementError: naming ``field`` and what stands in the way.
    """
    places = (path, *path.absolute().parents)
    place = next(place for place in places if os.path.exists(place))  # not below what is closed
    good = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    check(good, field, _WRITABLE, str(place))


class InUseError(RequirementError):
    """Another process runs in the directory."""


def in_use(reason: str, field: str = "--workdir") -> InUseError:
    """Returns the refusal of a directory in which another process runs.

    Args:
      reason: follows "but".
      field: by which the user named the directory.
    """
    return InUseError(f"must be used by one process at a time, but {reason}", field=field)


class DamagedFileError(RequirementError):
    """A file of a run is not what was written."""


class WorkDirectory:
    """A directory of a run or a sweep.

    Args:
      workdir: its path.
    """

    def __init__(self, workdir: str | Path):
        check(str(workdir) != "", "--workdir", "name a directory", workdir)
        self.path = Path(workdir)

    def has_other_files(self) -> bool:
        """Returns whether there is more than a run that was killed at its start leaves.

        Raises:
          RequirementError: the directory cannot be read.
        """
        try:
            names = os.listdir(self.path)
        except PermissionError as error:
            line = f"must be readable, but {self.path} is not ({error.strerror})."
            raise RequirementError(line, field="--workdir") from error
        return any(name != LOCK and not name.startswith(TEMPORARY) for name in names)

    @contextlib.contextmanager
    def locked(self, patience: float = _PATIENCE) -> Iterator[None]:
        """Makes the directory and locks it against other processes, until the process ends.

        Args:
          patience: seconds to wait for another process.

        Raises:
          InUseError: another process runs in the directory.
          RequirementError: it cannot be written to.
        """
        path = self.path / LOCK
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path)
            lock.acquire(timeout=patience)
        except filelock.Timeout as error:
            run = self.read_json(RUN) or {}
            user = f"process {run.get('process')} on {run.get('host')}"
            raise in_use(f"{self.path} is in use by {user}.") from error
        except OSError as error:
            line = f"must {_WRITABLE}, but {self.path} does not: {error.strerror}."
            raise RequirementError(line, field="--workdir") from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # others that wait for this file find it gone, and begin
            lock.release()

    def is_locked(self) -> bool:
        """Returns whether a process runs in the directory, as far as a reader can see."""
        try:
            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:  # there is no lock
            pass
        return False

    def read_json(self, name: str) -> Any:
        """Reads a JSON file of names and values; returns None where there is no file.

        Raises:
          DamagedFileError: the file is not JSON, or not of names and values.
          RequirementError: it cannot be read.
        """
        path = self.path / name
        try:
            if not path.is_file():
                return None
            record = json.loads(path.read_text())
        except PermissionError as error:
            line = f"must be readable, but it is not ({error.strerror})."
            raise RequirementError(line, field=str(path)) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else error.reason
            line = f"must be JSON, but it is damaged ({reason}); use another --workdir."
            raise DamagedFileError(line, field=str(path)) from error
        if not isinstance(record, dict):
            line = f"must hold names and values, but received {record!r}."
            raise DamagedFileError(line, field=str(path))
        return record

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file, whole."""
        text = json.dumps(plain(value), indent=2, sort_keys=False, allow_nan=False) + "\n"
        write_whole(self.path / name, lambda temporary: temporary.write_text(text))
