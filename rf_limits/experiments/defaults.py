"""Where config files start: configs under construction.

Configs of studies are beside them; those of scripts/limits.py can be had from here too, as files
of earlier versions do.
"""

import importlib
from typing import Any

from rf_limits.config import Builder
from rf_limits.experiments.config import TrainingConfig

_ELSEWHERE = {"approximation_config": "approximation", "hardness_config": "hardness"}


def default_config() -> Builder[TrainingConfig]:
    """Returns a training config under construction, whose fields can be assigned."""
    return Builder(TrainingConfig)


def __getattr__(name: str) -> Any:
    """Functions that are in modules which are loaded when they are asked for (PEP 562)."""
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"rf_limits.experiments.{_ELSEWHERE[name]}"), name)
