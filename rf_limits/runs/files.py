"""Files and tables written whole or not at all, and errors of disks in one line."""

import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet

TEMPORARY = ".tmp-rf_limits-"
"""Start of the names of files that are being written."""


class StorageError(RuntimeError):
    """A file could not be written; what was on disk before is untouched."""


def storage_error(path: Path, error: OSError) -> StorageError:
    """Returns the error that says why a file could not be written."""
    return StorageError(f"{path} could not be written: {error.strerror or error}.")


def write_whole(path: Path, write: Callable[[Path], object], *, replace: bool = True) -> None:
    """Calls ``write(temporary)``, then moves the temporary file to ``path`` in one step.

    A reader sees the old file or the new one, never a part, also after a crash. The temporary
    name keeps the suffix, from which figure writers take the format.

    Args:
      path: the file.
      write: writes it.
      replace: whether a file that is there is replaced.

    Raises:
      StorageError: the disk is full, the directory cannot be written to, or (from
        FileExistsError) the file is there and is not to be replaced.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
            temporary.unlink()
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise storage_error(path, error) from error
        raise


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
    except KeyError as error:  # its list of columns is damaged
        raise ValueError(f"no column {error}") from error


def table_damage(path: Path) -> str:
    """Says what is wrong with a table: missing, not readable, damaged, or nothing."""
    try:
        pyarrow.parquet.read_table(path, page_checksum_verification=True)
    except FileNotFoundError:
        return "missing"
    except PermissionError:
        return "not readable"
    except (OSError, ValueError):
        return "damaged"
    return ""
