"""Configs as frozen dataclasses whose fields say their types, ranges and meaning; builders."""

from rf_limits.config.base import (
    Config,
    check_form,
    flat,
    option,
    section,
    short_names,
    with_defaults,
)
from rf_limits.config.builder import Builder, accepts_builder, builder_of, frozen

__all__ = [
    "Builder",
    "Config",
    "accepts_builder",
    "builder_of",
    "check_form",
    "flat",
    "frozen",
    "option",
    "section",
    "short_names",
    "with_defaults",
]
