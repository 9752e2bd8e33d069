"""What was asked for: the fields of configs, those first that differ from the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rf_limits.config import flat
from rf_limits.runs.run import config_class


class Field(NamedTuple):
    """A field of a config in words; ``default`` is empty where the defaults have no such field."""

    name: str
    value: str
    default: str


def words(value: Any) -> str:
    """A field's value as a reader writes it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(one)}" for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(words(one) for one in value) or "()"
    return f"{value:g}" if isinstance(value, float) else str(value)


def fields(config: Mapping[str, Any]) -> tuple[list[Field], list[Field]]:
    """Fields that differ from the experiment's defaults, and all others.

    Args:
      config: contents of config.json.
    """
    default = config_class(config["experiment"])()
    defaults = flat(default.to_json())
    differing, same = [], []
    for name, value in flat(config).items():
        known = name in defaults
        field = Field(name, words(value), words(defaults[name]) if known else "")
        (same if known and defaults[name] == value else differing).append(field)
    return differing, same


def shared(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The part of configs in which all agree, as nested dictionaries."""
    first = configs[0]
    found: dict[str, Any] = {}
    for name, value in first.items():
        values = [config.get(name) for config in configs]
        if all(isinstance(one, Mapping) for one in values):
            found[name] = shared(values)
        elif all(one == value for one in values):
            found[name] = value
    return found
