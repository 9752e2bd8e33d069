"""Tables on disk: parquet files, whole, with a checksum of every page."""

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet

from rf_limits.runs.files import write_whole


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
