"""From a config with a sweep to its cells: every combination of the values asked for."""

import ast
import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rf_limits.config import Builder, Config, flat, frozen, short_names
from rf_limits.errors import RequirementError, check, did_you_mean

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
    config: Config


Axis = tuple[tuple[str, tuple[Any, ...]], ...]
"""Fields whose values go together, first with first: each with its values."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a sweep runs through: every combination of the settings of its axes.

    Attributes:
      axes: of the grid; the last varies fastest.

    Raises:
      RequirementError: an axis whose fields have no values or not the same number of them; a
        field that is there twice.
    """

    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        """Checks the axes."""
        for axis in self.axes:
            for name, values in axis:
                good = isinstance(values, tuple) and len(values) > 0
                check(good, "sweep", f"have a non-empty tuple of values for {name}", values)
            lengths = {name: len(values) for name, values in axis}
            good = len(set(lengths.values())) == 1
            check(good, "sweep.zipped", "have lists of one length", lengths)
        twice = sorted(name for name, times in Counter(self.names()).items() if times > 1)
        check(not twice, "sweep", "name each field once", twice)

    def names(self) -> list[str]:
        """Returns the dotted names of the fields."""
        return [name for axis in self.axes for name, _ in axis]

    def settings(self) -> Iterator[dict[str, Any]]:
        """Yields the values of the fields of every cell."""
        rows = (zip(*(values for _, values in axis), strict=True) for axis in self.axes)
        for settings in itertools.product(*rows):
            yield dict(zip(self.names(), itertools.chain(*settings), strict=True))


def sweep(grid: Values | None = None, zipped: Sequence[Values] = ()) -> Sweep:
    """Returns the sweep of a config, for its attribute ``sweep``.

    Args:
      grid: values by dotted field name; every combination is a cell.
      zipped: groups of fields whose values go together, first with first; each group counts as
        one axis of the grid.

    Raises:
      RequirementError: as :class:`Sweep`.

    Example:
      >>> from rf_limits import default_config
      >>> config = default_config()
      >>> config.sweep = sweep(
      ...     grid={"problem.dim": (5, 10)},
      ...     zipped=[{"data.num_train": (64, 128), "training.steps": (100, 200)}],
      ... )
      >>> [cell.fields["data.num_train"] for cell in cells_of(config)]
      [64, 128, 64, 128]
    """
    every: list[Mapping[str, Any]] = [{name: values} for name, values in (grid or {}).items()]
    every += zipped
    return Sweep(
        tuple(
            tuple((n, tuple(v) if isinstance(v, (list, tuple)) else v) for n, v in fields.items())
            for fields in every
        )
    )


def parse_axis(text: str, flag: str) -> Axis:
    """Reads fields and values from ``"problem.dim=(5,10)"``; semicolons stand between fields.

    Args:
      text: what the user wrote.
      flag: for errors.

    Raises:
      RequirementError: not of this form.
    """
    fields = []
    for part in text.split(";"):
        name, _, value = part.partition("=")
        values: Any = None
        with contextlib.suppress(SyntaxError, ValueError):
            values = ast.literal_eval(value)
        requirement = 'be like "problem.dim=(5,10)", with a tuple of values'
        check(isinstance(values, (tuple, list)) and len(values) > 0, flag, requirement, part)
        fields.append((name.strip(), tuple(values)))
    return tuple(fields)


def config_hash(config: Config) -> str:
    """Returns eight hexadecimal digits that tell configs apart."""
    text = json.dumps(config.to_json(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _word(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "+".join(_word(v) for v in value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]", "_", text)


def _in_parentheses(config: Config, fields: Mapping[str, Any]) -> str:
    """Returns a hint where a value that is not a tuple was given for a field of tuples."""
    values = flat(config)
    for name, value in fields.items():
        if isinstance(values[name], tuple) and not isinstance(value, (tuple, list)):
            return f" Each value of the axis must be in parentheses, as ({value!r},)."
    return ""


def cells_of(config: Config | Builder) -> list[SweepCell]:
    """Returns the cells of a config, in the order of its grid (the last axis varies fastest).

    Args:
      config: of an experiment; without a sweep it is one cell.

    Raises:
      RequirementError: a field that does not exist, a value that it cannot have, a cell that is
        there twice.
    """
    swept = config.sweep if isinstance(config, Builder) else None
    made = swept is None or isinstance(swept, Sweep)
    check(made, "sweep", "be made by rf_limits.sweeps.sweep", swept)
    axes, base = swept or Sweep(), frozen(config)
    known, names = flat(base), axes.names()
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            text = f"must name fields of the config, but received {name!r}.{hint}"
            raise RequirementError(text, field="sweep")
    shorts, cells = short_names(names), dict[Config, SweepCell]()
    for fields in axes.settings():
        try:
            whole = base.replace(fields)
        except RequirementError as error:
            raise RequirementError(f"sweep: {error}{_in_parentheses(base, fields)}") from error
        words = ",".join(f"{shorts[name]}={_word(value)}" for name, value in fields.items())
        name = f"{words[:_LONGEST] or 'run'}-{config_hash(whole)}"
        check(whole not in cells, "sweep", "hold each combination once", fields)
        cells[whole] = SweepCell(name, fields, whole)
    return list(cells.values())
