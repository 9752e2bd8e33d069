"""From a config with a sweep to its cells: every combination of the values asked for."""

import ast
import copy
import hashlib
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from rf_limits.errors import RequirementError, check, did_you_mean
from rf_limits.experiments.fields import config_fields, short_names
from rf_limits.runs.store import plain

Values = Mapping[str, Sequence[Any]]
_LONGEST = 100


class SweepCell(NamedTuple):
    """One run of a sweep.

    Attributes:
      name: its parameters and a hash of its config, as a directory can be called.
      fields: the swept fields and their values.
      config: complete, without the sweep.
    """

    name: str
    fields: dict[str, Any]
    config: ConfigDict


def sweep(grid: Values | None = None, zipped: Sequence[Values] = ()) -> ConfigDict:
    """The field ``sweep`` of a config.

    Args:
      grid: values by dotted field name; every combination is a cell.
      zipped: groups of fields whose values go together, first with first; each group counts as
        one axis of the grid.

    Example:
      >>> from rf_limits.experiments.defaults import default_config
      >>> config = default_config()
      >>> with config.unlocked():
      ...     config.sweep = sweep(
      ...         grid={"problem.dim": (5, 10)},
      ...         zipped=[{"data.num_train": (64, 128), "training.steps": (100, 200)}],
      ...     )
      >>> [cell.fields["data.num_train"] for cell in cells_of(config)]
      [64, 128, 64, 128]
    """
    found = ConfigDict()
    found.grid = tuple((name, tuple(values)) for name, values in (grid or {}).items())
    found.zipped = tuple(
        tuple((name, tuple(values)) for name, values in group.items()) for group in zipped
    )
    return found


def parse_axis(text: str, flag: str) -> list[tuple[str, tuple]]:
    """Fields and values of ``"problem.dim=(5,10)"``; several fields with semicolons between.

    Args:
      text: what the user wrote.
      flag: for errors.

    Raises:
      RequirementError: not of this form.
    """
    found = []
    for part in text.split(";"):
        name, _, value = part.partition("=")
        try:
            values = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            values = None
        requirement = 'be like "problem.dim=(5,10)", with a tuple of values'
        check(isinstance(values, (tuple, list)) and len(values) > 0, flag, requirement, part)
        found.append((name.strip(), tuple(values)))
    return found


def _axes(spec: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """For each axis of the grid, the settings it runs through."""
    unknown = sorted(set(spec) - {"grid", "zipped"})
    check(not unknown, "sweep", "have the fields grid and zipped only", unknown)
    pairs = (*spec.get("grid", ()), *itertools.chain(*spec.get("zipped", ())))
    for pair in pairs:
        good = isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)
        good = good and isinstance(pair[1], (tuple, list)) and len(pair[1]) > 0
        check(good, "sweep", "hold pairs of a field's name and a non-empty tuple of values", pair)
    axes = [[{name: value} for value in values] for name, values in spec.get("grid", ())]
    for group in spec.get("zipped", ()):
        lengths = {name: len(values) for name, values in group}
        check(len(set(lengths.values())) == 1, "sweep.zipped", "have lists of one length", lengths)
        names = [name for name, _ in group]
        rows = zip(*(values for _, values in group), strict=True)
        axes.append([dict(zip(names, row, strict=True)) for row in rows])
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    check(not twice, "sweep", "name each field once", twice)
    return axes


def _check_fields(config: ConfigDict, names: Sequence[str]) -> None:
    known = config_fields(config)
    for name in names:
        if name not in known:
            raise RequirementError(
                f"sweep must name fields of the config, but received {name!r}."
                + did_you_mean(name, known)
            )


def _with(base: ConfigDict, fields: Mapping[str, Any]) -> ConfigDict:
    """The config with some fields changed, of the same types."""
    config = copy.deepcopy(base)
    for name, value in fields.items():
        *path, last = name.split(".")
        at = config
        for step in path:
            at = at[step]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        try:  # a learning rate is text, "auto" or a number
            at[last] = str(value) if number and isinstance(at[last], str) else value
        except (TypeError, ValueError) as error:
            kind = type(at[last]).__name__
            hint = f", each value in parentheses as ({value!r},)" if kind == "tuple" else ""
            raise RequirementError(
                f"sweep: {name} must be of type {kind}{hint}, but received {value!r}."
            ) from error
    return config.lock()


def config_hash(config: ConfigDict) -> str:
    """Eight hexadecimal digits that tell configs apart."""
    # default: a value that JSON has no form for is refused later, by its field's name
    text = json.dumps(plain(config.to_dict()), sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def same_key(config: ConfigDict) -> str:
    """What configs have in common that give the same run, however their numbers are spelled.

    -0.0 is 0.0, 1 is 1.0, and a number that is given as text, such as a learning rate, is that
    number: "1e-2" is "0.01".
    """
    # default: a value that JSON has no form for is refused later, by its field's name
    return json.dumps(spelled(plain(config.to_dict())), sort_keys=True, default=repr)


def spelled(value: Any) -> Any:
    """A config's value, of JSON, with numbers in one spelling: whole ones as int."""
    if isinstance(value, dict):
        return {name: spelled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [spelled(one) for one in value]
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        value = number if math.isfinite(number) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _word(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "+".join(_word(v) for v in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def cells_of(config: ConfigDict) -> list[SweepCell]:
    """The cells of a config, in the order of its grid (the last axis varies fastest).

    Args:
      config: of an experiment; without a field ``sweep``, or with an empty one, it is one cell.

    Raises:
      RequirementError: a field that does not exist, a value of the wrong type, lists that do not
        match, a cell that is there twice.
    """
    base = copy.deepcopy(config)
    spec: Mapping[str, Any] = {}
    with base.unlocked():
        if "sweep" in base:
            made = isinstance(base.sweep, ConfigDict)
            check(made, "sweep", "be made by rf_limits.sweeps.sweep", base.sweep)
            spec = base.sweep.to_dict()
            del base.sweep
    axes = _axes(spec)
    names = [name for axis in axes for name in axis[0]]
    _check_fields(base, names)
    shorts, cells = short_names(names), dict[str, SweepCell]()
    for combination in itertools.product(*axes):
        fields = {name: value for setting in combination for name, value in setting.items()}
        own = _with(base, fields)
        words = ",".join(f"{shorts[name]}={_word(value)}" for name, value in fields.items())
        name = f"{words[:_LONGEST] or 'run'}-{config_hash(own)}"
        alike = same_key(own) in cells or any(cell.name == name for cell in cells.values())
        check(not alike, "sweep", "hold each combination once", fields)
        cells[same_key(own)] = SweepCell(name, fields, own)
    return list(cells.values())
