"""Results on disk: what a run writes, whole or not at all.

A work directory belongs to one config. ``config.json`` says which; ``run.json`` says how the
run went; ``metrics.parquet`` and ``summary.json`` hold the numbers; ``figures/`` the pictures
(docs/results.md).
"""

import json
import math
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from rf_limits.errors import RequirementError, check

FILES = ("config.json", "run.json", "metrics.parquet", "summary.json")
FIGURES = "figures"
PARTS = "parts"
SAME_FOR_PARTS = ("git_revision", "versions", "device")
"""What of run.json must agree for parts of an unfinished run to be kept."""
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


def write_whole(path: Path, write) -> None:
    """Calls ``write(temporary)``, then moves the temporary file to ``path`` in one step.

    A reader sees the old file or the new one, never a part; the temporary name keeps the
    suffix, which figure writers go by.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class RunStore:
    """The files of one work directory."""

    def __init__(self, workdir: str | Path):
        self.path = Path(workdir)

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
        if self.path.exists() and not self.path.is_dir():
            raise RequirementError(f"--workdir must be a directory, but received {self.path}.")
        before = self.read_json("config.json")
        if before is not None:
            if before == plain(config) and not overwrite:
                status = (self.read_json("run.json") or {}).get("status")
                return "finished" if status in ("complete", "diverged") else "new"
            if not overwrite:
                changed = ", ".join(_differences(before, plain(config)))
                raise RequirementError(
                    f"--workdir must be empty or hold this config, but {self.path} holds a run of "
                    f"another one (differing in {changed}); use --overwrite to replace it."
                )
        elif self.path.exists() and any(self.path.iterdir()) and not overwrite:
            raise RequirementError(
                f"--workdir must be empty or hold a run, but {self.path} holds other files; use "
                "--overwrite to write beside them."
            )
        return "new"

    def begin(self, config: dict[str, Any], run: dict[str, Any], *, resume: bool = False) -> None:
        """Removes an earlier run's files and writes config.json and run.json.

        With ``resume``, parts of an unfinished run of the same config are kept, if it ran on the
        same revision, versions and device: a table is never put together from two programs.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            earlier = self.read_json("run.json") or {}
            same = all(earlier.get(key) == plain(run).get(key) for key in SAME_FOR_PARTS)
            if not (resume and same and self.read_json("config.json") == plain(config)):
                self.remove_parts()
            for name in FILES:
                (self.path / name).unlink(missing_ok=True)
            for figure in (self.path / FIGURES).glob("*.*"):
                if figure.suffix in (".png", ".svg"):
                    figure.unlink()
            self.write_json("config.json", config)
            self.write_json("run.json", run)
        except OSError as error:
            raise RequirementError(
                f"--workdir must be writable, but {self.path} is not: {error.strerror}."
            ) from error

    def read_json(self, name: str) -> Any:
        """Contents of a JSON file of the run, or None where there is none.

        Raises:
          RequirementError: the file is there and is not JSON.
        """
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise RequirementError(
                f"{path} must be JSON, but it is damaged ({error.msg}); use another --workdir."
            ) from error

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file, whole."""
        text = json.dumps(plain(value), indent=2, sort_keys=False, allow_nan=False) + "\n"
        write_whole(self.path / name, lambda temporary: temporary.write_text(text))

    def parts(self) -> list[str]:
        """Names of the parts kept from a run that did not finish."""
        return sorted(path.stem for path in (self.path / PARTS).glob("*.parquet"))

    def part(self, name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table ``compute()`` of one part of a run, kept on disk until the run is done.

        Args:
          name: of the part, made of letters, digits, spaces and ``-_.=^``.
          compute: called if there is no such part yet, or it cannot be read.
        """
        check(re.fullmatch(r"[\w.=^ -]+", name) is not None, "name of a part", "be plain", name)
        path = self.path / PARTS / f"{name}.parquet"
        if path.is_file():
            try:
                return pd.read_parquet(path)
            except (OSError, ValueError):
                path.unlink()
        table = compute()
        write_whole(path, lambda temporary: table.to_parquet(temporary, index=False))
        return table

    def remove_parts(self) -> None:
        """Forgets the parts of a run."""
        folder = self.path / PARTS
        for path in folder.glob("*.parquet"):
            path.unlink()
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def write_metrics(self, metrics: pd.DataFrame) -> None:
        """Writes metrics.parquet, whole."""
        write_whole(self.path / "metrics.parquet", lambda t: metrics.to_parquet(t, index=False))

    def read_metrics(self) -> pd.DataFrame:
        """Reads metrics.parquet back, with the types of :func:`metrics_table`."""
        return pd.read_parquet(self.path / "metrics.parquet")

    def write_figure(self, name: str, figure) -> list[Path]:
        """Writes a matplotlib figure as png and svg; returns the paths."""
        paths = [self.path / FIGURES / f"{name}.{suffix}" for suffix in ("png", "svg")]
        for path in paths:
            write_whole(path, lambda temporary: figure.savefig(temporary, dpi=200))
        return paths


def _differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Dotted names at which two configs differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = []
        for key in sorted(old.keys() | new.keys()):
            names += _differences(old.get(key), new.get(key), f"{prefix}{key}.")
        return names
    return [] if old == new else [prefix.rstrip(".")]
