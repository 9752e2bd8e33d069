"""Results on disk: what a run writes, whole or not at all.

A work directory belongs to one config. ``config.json`` says which; ``run.json`` says how the
run went; ``metrics.parquet`` and ``summary.json`` hold the numbers; ``figures/`` the pictures
(docs/results.md).
"""

import contextlib
import fcntl
import functools
import io
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import pyarrow.parquet

from rf_limits.config import check_form
from rf_limits.errors import RequirementError, check
from rf_limits.figures.style import FORMATS, save
from rf_limits.runs.checkpoints import SUFFIX
from rf_limits.runs.files import TEMPORARY, write_whole
from rf_limits.runs.written import LIST, Written

RESULTS = ("metrics.parquet", "summary.json")
FIGURES = "figures"
PARTS = "parts"
STATES = "states"
TENSORBOARD = "tensorboard"
LOCK = ".lock"
SAME_FOR_PARTS = ("program", "versions", "device", "options")
"""What of run.json must agree for parts of an unfinished run to be kept."""
_WRITABLE = "take files"
_PATIENCE = 2.0  # seconds: who only looks whether a run is going on holds the lock briefly
STATUSES = ("running", "complete", "interrupted", "diverged", "failed")


def plain(value: Any) -> Any:
    """``value`` with tuples as lists and non-finite floats as strings, as JSON holds them."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes a parquet file, whole, with a checksum of every page."""
    options = {"index": False, "write_page_checksum": True}
    write_whole(path, lambda temporary: table.to_parquet(temporary, **options))


def read_table(source: Path | io.BytesIO) -> pd.DataFrame:
    """Reads a parquet file; a page whose bytes are not those that were written is an error.

    Raises:
      OSError, ValueError: the file is missing or damaged.
    """
    try:
        return pd.read_parquet(source, page_checksum_verification=True)
    except KeyError as error:  # what it says of itself is damaged
        raise ValueError(f"no column {error}") from error


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


class DamagedFileError(RequirementError):
    """A file of a run is not what was written."""


class RunStore:
    """The files of one work directory."""

    def __init__(self, workdir: str | Path):
        check(str(workdir) != "", "--workdir", "name a directory", workdir)
        self.path = Path(workdir)
        self.written = Written(self.path, self._written_before)

    def _written_before(self) -> list[str]:
        """Files of a run that is complete, or of one of a version that kept no list.

        The latter's parts and states cannot be told from others' files, and are left alone.
        """
        run = self.read_json("run.json")
        if run is None or self.read_json("config.json") is None:
            return []
        figures = (
            f"{FIGURES}/{name}.{form}" for name in run.get("figures", ()) for form in FORMATS
        )
        return run.get("written") or [*RESULTS, *figures]

    def open(self, config: dict[str, Any], *, overwrite: bool) -> str:
        """Claims the directory for ``config``.

        Args:
          config: the resolved config.
          overwrite: whether to replace another config's results.

        Returns:
          ``"finished"`` if these results exist already (nothing is touched), else
          ``"new"``; nothing is written before :meth:`begin`.

        Raises:
          RequirementError: the directory holds another run, or files of something else, and
            ``overwrite`` is not set.
        """
        there = os.path.exists(self.path)  # not where its parent cannot be entered
        if there and not self.path.is_dir():
            raise RequirementError(f"--workdir must be a directory, but received {self.path}.")
        before = self.read_json("config.json")
        if before is not None:
            if before == plain(config) and not overwrite:
                status = (self.read_json("run.json") or {}).get("status")
                if status in ("complete", "diverged"):
                    self._check_results()
                    return "finished"
            elif not overwrite:
                check_form(before, self.path / "config.json")
                changed = ", ".join(differences(before, plain(config)))
                raise RequirementError(
                    f"--workdir must be empty or hold this config, but {self.path} holds a run of "
                    f"another one (differing in {changed}); name another directory, or use "
                    "--overwrite to replace it."
                )
        elif there and self.others() and not overwrite:
            raise RequirementError(
                f"--workdir must be empty or hold a run, but {self.path} holds other files; use "
                "--overwrite to write beside them."
            )
        check_takes_files(self.path, "--workdir")
        return "new"

    def _check_results(self) -> None:
        """Refuses a finished run whose table or summary is gone, or cut short."""
        name, damage = self.damage()
        if damage:
            raise RequirementError(
                f"{self.path / name} must be that of the finished run, but it is {damage}; "
                "--overwrite runs it again."
            )

    def damage(self) -> tuple[str, str]:
        """A file that a finished run lacks: missing, not readable, or damaged; or nothing."""
        found = self.table_damage()
        if found:
            return RESULTS[0], found
        try:
            there = self.read_json(RESULTS[1]) is not None
        except DamagedFileError:
            return RESULTS[1], "damaged"
        except RequirementError:  # not readable: the table is, or says so itself
            there = True
        return ("", "") if there else (RESULTS[1], "missing")

    def damaged_records(self) -> list[str]:
        """Which of config.json and run.json are there and hold no JSON of a run."""
        found = []
        for name in ("config.json", "run.json"):
            try:
                self.read_json(name)
            except DamagedFileError:
                found.append(name)
        return found

    def table_damage(self) -> str:
        """What is wrong with a finished run's table: missing, not readable, damaged, or nothing."""
        try:
            pyarrow.parquet.read_table(self.path / RESULTS[0], page_checksum_verification=True)
        except FileNotFoundError:
            return "missing"
        except PermissionError:
            return "not readable"
        except (OSError, ValueError):
            return "damaged"
        return ""

    def others(self) -> bool:
        """Whether there is anything but what a run that was killed at its start leaves."""
        return any(path.name != LOCK and path.name[:5] != ".tmp-" for path in self.path.iterdir())

    @contextlib.contextmanager
    def locked(self, patience: float = _PATIENCE) -> Iterator[None]:
        """Makes the directory and holds it: no other process can. A killed process holds nothing.

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
            run = self.read_json("run.json") or {}
            raise InUseError(
                f"--workdir must be used by one process at a time, but {self.path} is in use by "
                f"process {run.get('process')} on {run.get('host')}."
            ) from error
        except OSError as error:
            raise RequirementError(
                f"--workdir must {_WRITABLE}, but {self.path} does not: {error.strerror}."
            ) from error
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # others that wait for this file find it gone, and begin
            lock.release()

    def is_locked(self) -> bool:
        """Whether a process runs in the directory, as far as who may only read it can see."""
        try:
            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        except OSError:  # there is none
            pass
        return False

    def begin(self, config: dict[str, Any], run: dict[str, Any], *, resume: bool = False) -> bool:
        """Removes an earlier run's files and writes config.json and run.json; locked.

        With ``resume``, parts and states of an unfinished run of the same config are kept, if it
        ran as the same program, with the same versions, device and options: a table is never put
        together from two programs.

        Killed at any point of this, the directory still says what it holds: the new config is
        the last to be written over another's, the first in an empty directory.

        Returns:
          Whether an unfinished run's parts or states were there and could not be kept.
        """
        earlier, before = self.read_json("run.json") or {}, self.read_json("config.json")
        same = all(earlier.get(key) == plain(run).get(key) for key in SAME_FOR_PARTS)
        kept = resume and same and before == plain(config)
        lost = not kept and resume and self.has_progress()
        if before is None:
            for name in ("config.json", "run.json", LIST):
                self.written.put_aside(self.path / name)
            self.write_json("config.json", config)
            self.written.write(())
        else:
            self.written.write(self.written.names())  # before run.json forgets them
        self.write_json("run.json", run)
        if not kept:
            self.forget_progress()
            self.written.remove(TENSORBOARD)
        self.written.remove(FIGURES)
        for name in set(RESULTS) & set(self.written.names()):
            (self.path / name).unlink(missing_ok=True)
        self.written.write(name for name in self.written.names() if (self.path / name).exists())
        if before is not None:
            self.write_json("config.json", config)
        return lost

    def read_json(self, name: str) -> Any:
        """Contents of a JSON file of the run, or None where there is none.

        Raises:
          DamagedFileError: the file is there and is not JSON, or not of names and values.
          RequirementError: it is there and cannot be read.
        """
        path = self.path / name
        try:
            if not path.is_file():
                return None
            found = json.loads(path.read_text())
        except PermissionError as error:
            raise RequirementError(
                f"{path} must be readable, but it is not ({error.strerror})."
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            reason = getattr(error, "msg", error.reason if hasattr(error, "reason") else "")
            raise DamagedFileError(
                f"{path} must be JSON, but it is damaged ({reason}); use another --workdir."
            ) from error
        try:
            check(isinstance(found, dict), str(path), "hold names and values", found)
        except RequirementError as error:
            raise DamagedFileError(str(error)) from None
        return found

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file, whole."""
        text = json.dumps(plain(value), indent=2, sort_keys=False, allow_nan=False) + "\n"
        write_whole(self.path / name, lambda temporary: temporary.write_text(text))

    @property
    def states(self) -> Path:
        """Folder of the states of an unfinished run."""
        return self.path / STATES

    def parts(self) -> list[str]:
        """Names of the parts kept from a run that did not finish."""
        return [path.stem for path in self.written.within(PARTS, ".parquet")]

    def has_progress(self) -> bool:
        """Whether there are parts or states to go on from."""
        return bool(self.parts() or self.written.within(STATES, SUFFIX))

    def read_part(self, name: str, *, forget: bool = True) -> bytes | None:
        """The parquet file of one part of a run, or None if there is none that can be read.

        Args:
          name: of the part.
          forget: whether a file that cannot be read is removed.
        """
        path = self._part(name)
        if path not in self.written:
            return None
        try:
            held = path.read_bytes()
            read_table(io.BytesIO(held))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            if forget and path.is_file():
                path.unlink()
            return None
        return held

    def write_part(self, name: str, table: pd.DataFrame) -> None:
        """Keeps one part of a run on disk until the run is done.

        Args:
          name: of the part, made of letters, digits, spaces and ``-_.=^``.
          table: its rows.
        """
        write_table(self.written.add(self._part(name)), table)

    def _part(self, name: str) -> Path:
        check(re.fullmatch(r"[\w.=^ -]+", name) is not None, "name of a part", "be plain", name)
        return self.path / PARTS / f"{name}.parquet"

    def forget_progress(self) -> None:
        """Removes parts and states of a run, and what writing left unfinished."""
        for name in ("", FIGURES, PARTS, STATES):
            for path in (self.path / name).glob(f"{TEMPORARY}*"):
                if path.is_file():
                    path.unlink()
        for name in (PARTS, STATES):
            self.written.remove(name)
            with contextlib.suppress(OSError):  # there is none, or others' files are in it
                (self.path / name).rmdir()  # a killed process may have left it without a file

    def complete(self, run: dict[str, Any]) -> None:
        """Writes run.json of a run that is complete, with its files; removes its progress."""
        names = (n for n in self.written.names() if n.split("/")[0] not in (PARTS, STATES))
        self.write_json("run.json", {**run, "written": sorted(names)})
        with contextlib.suppress(OSError):  # the results are there; :meth:`tidy` comes again
            self.forget_progress()
            (self.path / LIST).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Removes what a process killed at the very end of its run had no time to remove."""
        left = any((self.path / name).exists() for name in (LIST, LOCK))
        if left or any(self.path.glob(f"{TEMPORARY}*")):
            with contextlib.suppress(RequirementError, OSError), self.locked():
                self.forget_progress()
                (self.path / LIST).unlink(missing_ok=True)

    def write_metrics(self, metrics: pd.DataFrame) -> None:
        """Writes metrics.parquet, whole."""
        write_table(self.written.add(self.path / RESULTS[0]), metrics)

    def read_metrics(self) -> pd.DataFrame:
        """Reads metrics.parquet back, with the types of :func:`metrics_table`."""
        return read_table(self.path / RESULTS[0])

    def write_figure(self, name: str, figure) -> list[Path]:
        """Writes a matplotlib figure as png, svg and pdf; returns the paths."""
        paths = [self.path / FIGURES / f"{name}.{form}" for form in FORMATS]
        for path, form in zip(paths, FORMATS, strict=True):
            write_whole(self.written.add(path), functools.partial(save, figure, form=form))
        return paths


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Dotted names at which two configs differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = []
        for key in sorted(old.keys() | new.keys()):
            names += differences(old.get(key), new.get(key), f"{prefix}{key}.")
        return names
    return [] if old == new else [prefix.rstrip(".")]
