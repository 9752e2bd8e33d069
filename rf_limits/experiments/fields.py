"""Dotted names of the fields of a config."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from ml_collections import ConfigDict

from rf_limits.errors import RequirementError, check, did_you_mean


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


_NOUNS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    tuple: "a tuple",
    ConfigDict: "a ConfigDict",
}


def check_fields(config: ConfigDict, default: ConfigDict, prefix: str = "") -> None:
    """Refuses a config that does not have the fields of ``default``, of their types.

    A locked config has them; a file may have unlocked it, or have built its own.

    Args:
      config: what was given.
      default: all fields with values of their types; placeholders say theirs and may be None.
      prefix: of the names of fields.

    Raises:
      RequirementError: a field that is missing, unknown or of another type.
    """
    for name in default:
        field = f"{prefix}{name}"
        if name not in config:
            raise RequirementError(f"{field} must be a field of the config, but there is none.")
        value, kind = config[name], default.get_type(name)
        if value is None and default[name] is None:
            continue
        check(_is_of(value, kind), field, f"be {_NOUNS[kind]}", value)
        if kind is ConfigDict:
            check_fields(value, default[name], f"{field}.")
        names = kind is tuple and any(isinstance(one, str) for one in default[name])
        for entry in value if names else ():
            check(isinstance(entry, str), field, "hold names", value)
    known = [f"{prefix}{name}" for name in default]
    for name in config:
        if name not in default:
            field = f"{prefix}{name}"
            hint = did_you_mean(field, known)
            raise RequirementError(
                f"config must have the fields of the experiment only, but received {field}.{hint}"
            )


def _is_of(value: Any, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, int if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, (tuple, list) if kind is tuple else kind)
