"""The fields of configs in words: those first that differ from the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rf_limits.config import Config, flat
from rf_limits.config.base import is_section, kinds_of, to_json
from rf_limits.studies import EXPERIMENTS


class Field(NamedTuple):
    """A field of a config in words.

    Attributes:
      name: with dots.
      value: that the run has.
      default: empty where the experiment has no such field.
      meaning: of the field, one line.
    """

    name: str
    value: str
    default: str
    meaning: str


def words(value: Any) -> str:
    """Returns the value of a field as a reader writes it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        inner = [f"({words(v)})" if isinstance(v, (list, tuple)) else words(v) for v in value]
        return ", ".join(inner) or "()"
    return f"{value:g}" if isinstance(value, float) else str(value)


def fields(config: Mapping[str, Any]) -> tuple[list[Field], list[Field]]:
    """Returns the fields that differ from the experiment's defaults, and all others.

    Args:
      config: contents of config.json, or fields by dotted name.
    """
    defaults = {field.name: field for field in EXPERIMENTS[config["experiment"]]().options()}
    differing: list[Field] = []
    same: list[Field] = []
    for name, value in flat(config).items():
        text, field = words(value), defaults.get(name)
        if field is None:
            differing.append(Field(name, text, "", ""))
        else:
            default = to_json(field.value)
            row = Field(name, text, words(default), field.meaning)
            (same if value == default else differing).append(row)
    return differing, same


def without_unknown(
    kind: type[Config], values: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Returns a saved config without the fields that its class lacks, and their dotted names.

    Such fields were saved by another version, or by a study of the user's own that has changed.

    Args:
      kind: class of the config, or of one of its sections.
      values: contents of config.json, or of the section in it.
    """
    known, unknown, kinds = dict[str, Any](), list[str](), kinds_of(kind)
    for name, value in values.items():
        if is_section(kinds.get(name)) and isinstance(value, Mapping):
            known[name], inner = without_unknown(kinds[name], value)
            unknown += inner
        elif name in kinds or (name == "form" and not kind.path):
            known[name] = value
        else:
            unknown.append(kind.dotted(name))
    return known, unknown


def shared(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the fields in which all configs agree, by dotted name."""
    first, *others = map(flat, configs)
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
