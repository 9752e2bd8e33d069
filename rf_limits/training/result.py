"""What an experiment gives back, and how it reports on the way."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd

Report = Callable[[str, float], None]
"""Called with a line of text and the fraction of the work done."""


def no_report(stage: str, fraction: float) -> None:
    """Reports nothing: a :data:`Report` for work that nobody watches."""


@dataclasses.dataclass(frozen=True)
class Result:
    """Outcome of an experiment.

    Attributes:
      metrics: tidy table, docs/results.md.
      choices: what "auto" settings resolved to, and facts about the target.
      diverged: whether any trained network ended without a finite risk.
    """

    metrics: pd.DataFrame
    choices: dict[str, Any]
    diverged: bool = False
