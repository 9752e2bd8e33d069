"""Dotted names of the fields of a config."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict


def config_fields(config: ConfigDict | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted name of all fields of a config, or of the same as plain dictionaries."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, (ConfigDict, Mapping)):
            found |= config_fields(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The shortest endings of dotted names that tell them apart."""
    found = {}
    for name in names:
        steps = name.split(".")
        endings = (".".join(steps[-k:]) for k in range(1, len(steps) + 1))
        clear = (e for e in endings if sum(f".{n}".endswith(f".{e}") for n in names) == 1)
        found[name] = next(clear, name)
    return found
