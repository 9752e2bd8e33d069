"""Averages over seeds, and over nothing else: where several things differ, they are refused.

Whatever takes a mean, a deviation, a median or an extreme over the rows of a table groups them
here. A new field that a study lets vary can then be forgotten in a table or a figure, but not
averaged away.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from pandas.api.typing import DataFrameGroupBy

SEED = "seed"
_NAMED = 4  # columns in the message


class PooledError(ValueError):
    """Rows that differ in more than the seed would have been averaged."""


def words_of_seeds(metrics: pd.DataFrame, several: str = "means over seeds") -> str:
    """Returns ``several`` where a table has several seeds, else ``"one seed"``."""
    return several if len(metrics[SEED].dropna().unique()) > 1 else "one seed"


def check_told_apart(table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Refuses a table in which ``keys`` do not tell its rows apart.

    Args:
      table: any.
      keys: columns.

    Raises:
      PooledError: two rows with the same ``keys``, with the columns in which they differ.
    """
    again = table.duplicated(list(keys), keep=False)
    if not again.any():
        return
    first = table[again].iloc[0]
    same = [table[key].isna() if pd.isna(first[key]) else table[key].eq(first[key]) for key in keys]
    rows = table[pd.concat(same, axis=1).fillna(False).astype(bool).all(axis=1)]
    others = [name for name in table if name not in keys]
    differing = [name for name in others if len(rows[name].drop_duplicates()) > 1]
    raise PooledError(
        f"rows must differ in {', '.join(keys)}, but {len(rows)} agree in them and differ in "
        f"{', '.join(differing[:_NAMED]) or 'nothing'}."
    )


def over_seeds(
    table: pd.DataFrame, by: str | Sequence[str], *, dropna: bool = True, sort: bool = True
) -> DataFrameGroupBy:
    """Returns groups of rows that differ in the seed alone, as ``table.groupby(by)`` does.

    Args:
      table: with a column ``seed``.
      by: columns that tell everything apart but seeds.
      dropna: as of ``groupby``, whether rows with a null among ``by`` are left out.
      sort: as of ``groupby``.

    Raises:
      PooledError: a group with two rows of one seed.
    """
    names = [by] if isinstance(by, str) else list(by)
    check_told_apart(table.dropna(subset=names) if dropna else table, [*names, SEED])
    return table.groupby(by if isinstance(by, str) else names, dropna=dropna, sort=sort)


def cells_over_seeds(
    table: pd.DataFrame, by: Sequence[str], *, sort: bool = True
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yields the groups of :func:`over_seeds`, each with its values of ``by``, None for null."""
    for key, group in over_seeds(table, by, dropna=False, sort=sort):
        yield {k: None if pd.isna(v) else v for k, v in zip(by, key, strict=True)}, group


def means_over(metrics: pd.DataFrame, thing: str) -> str:
    """Returns ``"means over 5 trials"``, or ``"one trial"``.

    Args:
      metrics: the table with the seeds that means are over.
      thing: what a seed is called, in the singular.
    """
    number = int(metrics[SEED].nunique())
    return f"one {thing}" if number == 1 else f"means over {number} {thing}s"
