"""Configs under construction: fields are assigned one by one, and checked as they are.

Example:
  >>> from rf_limits import default_config
  >>> config = default_config()
  >>> config.problem.dim = 15
  >>> frozen(config).problem.dim
  15
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from rf_limits.config.base import Config, checked_field, is_section, kinds_of, unknown_field
from rf_limits.config.kinds import readings, shown
from rf_limits.errors import RequirementError, check

C = TypeVar("C", bound=Config)
P = ParamSpec("P")
R = TypeVar("R")
_RECEIVED = ", but received "
SWEEP = "sweep"
"""What a builder may hold beside its fields: the sweep that a launch carries out."""


class Builder(Generic[C]):
    """A config under construction.

    A section is a builder too. A value is checked where it is assigned; what concerns several
    fields is checked where the config is used.

    Args:
      kind: class of the config.
      values: to start with, by field; defaults for all others.
    """

    def __init__(self, kind: type[C], values: Mapping[str, Any] | None = None):
        start = kind(**(values or {}))
        vars(self).update(_kind=kind, _values={}, sweep=None)
        for name, nested in kinds_of(kind).items():
            value = getattr(start, name)
            self._values[name] = builder_of(value) if is_section(nested) else value

    def __getattr__(self, name: str) -> Any:
        """The value of a field."""
        if name.startswith("_"):  # asked for by copy and pickle before there are fields
            raise AttributeError(name)
        if name not in self._values:
            raise unknown_field(self._kind, name)
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Assigns a field.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        if name == SWEEP and not self._kind.path:
            vars(self)[SWEEP] = value
            return
        if is_section(kinds_of(self._kind).get(name)):
            value = frozen(value) if isinstance(value, Builder) else value
            self._values[name] = builder_of(checked_field(self._kind, name, value))
        else:
            self._values[name] = checked_field(self._kind, name, value)

    def __delattr__(self, name: str) -> None:
        """Refuses: a config has all of its fields."""
        text = "must be a field, and cannot be deleted."
        raise RequirementError(text, field=self._kind.dotted(name))

    def __dir__(self) -> list[str]:
        """Names of the fields and methods, which editors and notebooks offer."""
        return [*self._values, "update", "unlocked"]

    def __repr__(self) -> str:
        """The config as its class shows it."""
        return repr(frozen(self))

    def __eq__(self, other: object) -> bool:
        """Whether all fields are the same."""
        return isinstance(other, Builder) and frozen(self) == frozen(other)

    __hash__ = None  # type: ignore[assignment]

    def _at(self, name: str) -> tuple["Builder", str]:
        """The section that holds a field, and the field's name there."""
        first, _, rest = name.partition(".")
        if not rest:
            if first not in kinds_of(self._kind):
                raise unknown_field(self._kind, name)
            return self, first
        inner = self._values.get(first)
        if not isinstance(inner, Builder):
            raise unknown_field(self._kind, name)
        return inner._at(rest)

    def update(self, values: Mapping[str, Any]) -> None:
        """Assigns fields by dotted name.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        for name, value in values.items():
            inner, last = self._at(name)
            setattr(inner, last, value)

    def read(self, name: str, text: str) -> None:
        """Assigns a field from the text that a command line holds.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        inner, last = self._at(name)
        if is_section(kinds_of(inner._kind)[last]):
            check(False, name, "be a section, whose fields are given one by one", text)
        refusals = []
        for value in readings(text):
            try:
                setattr(inner, last, value)
            except RequirementError as error:
                refusals.append(error)
            else:
                return
        first = refusals[0]
        asked, received, _ = first.text.partition(_RECEIVED)
        hint = refusals[-1].text.rpartition(".")[2]  # of the text itself
        if not received or first.field != inner._kind.dotted(last):  # about a part of the text
            raise first
        raise RequirementError(f"{asked}{_RECEIVED}{shown(text)}.{hint}", field=first.field)

    @contextlib.contextmanager
    def unlocked(self) -> Iterator["Builder[C]"]:
        """Does nothing: configs of earlier versions had to be unlocked for a sweep."""
        yield self


def builder_of(config: C) -> Builder[C]:
    """Returns a builder that starts with the values of a config."""
    return Builder(type(config), dict(vars(config)))


def frozen(config: C | Builder[C]) -> C:
    """Returns the config of a builder; a frozen one as it is."""
    if not isinstance(config, Builder):
        return config
    values = {
        name: frozen(value) if isinstance(value, Builder) else value
        for name, value in config._values.items()
    }
    return config._kind(**values)


def accepts_builder(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function of a frozen config take a builder in its place."""

    @functools.wraps(function)
    def wrapped(config: Any, *args: Any, **kwargs: Any) -> R:
        return function(frozen(config), *args, **kwargs)

    return wrapped  # type: ignore[return-value]
