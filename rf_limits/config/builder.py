"""Configs under construction: fields are assigned one by one, and checked as they are.

Example:
  >>> from rf_limits import default_config
  >>> config = default_config()
  >>> config.problem.dim = 15
  >>> frozen(config).problem.dim
  15
"""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from rf_limits.config.base import Config, kinds_of, unknown_field
from rf_limits.config.kinds import readings, shown
from rf_limits.errors import RequirementError

C = TypeVar("C", bound=Config)
P = ParamSpec("P")
R = TypeVar("R")
_RECEIVED = ", but received "
SWEEP = "sweep"
"""Name under which a builder holds the sweep that a launch carries out; it is no field."""


class Builder(Generic[C]):
    """A config under construction.

    A section is a builder too, of a part of the same config. A value is checked where it is
    assigned; what concerns several fields is checked where the config is used.

    Args:
      kind: class of the config.
      values: to start with, by field; defaults for all others.
    """

    def __init__(self, kind: type[C], values: Mapping[str, Any] | None = None):
        vars(self).update(_whole=[kind(**(values or {}))], _path=(), sweep=None)

    @property
    def _config(self) -> C:
        """Returns the frozen config, or section, with the values so far."""
        return functools.reduce(getattr, self._path, self._whole[0])

    def __getattr__(self, name: str) -> Any:
        """Returns the value of a field."""
        if name.startswith("_"):  # asked for by copy and pickle before there are fields
            raise AttributeError(name)
        if name not in kinds_of(type(self._config)):
            raise unknown_field(type(self._config), name)
        value = getattr(self._config, name)
        if not isinstance(value, Config):
            return value
        section = copy.copy(self)
        vars(section).update(_path=(*self._path, name), sweep=None)
        return section

    def __setattr__(self, name: str, value: Any) -> None:
        """Assigns a field.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        if name == SWEEP and not self._path:
            vars(self)[SWEEP] = value
        else:
            self.update({name: value})

    def __delattr__(self, name: str) -> None:
        """Refuses: a config has all of its fields."""
        text = "must be a field, and cannot be deleted."
        raise RequirementError(text, field=self._config.dotted(name))

    def __dir__(self) -> list[str]:
        """Returns the names of the fields and methods, which editors and notebooks offer."""
        return [*kinds_of(type(self._config)), "update", "unlocked"]

    def __repr__(self) -> str:
        """Returns the config as its class shows it."""
        return repr(self._config)

    def __eq__(self, other: object) -> bool:
        """Returns whether all fields are the same."""
        return isinstance(other, Builder) and self._config == other._config

    __hash__ = None  # type: ignore[assignment]

    def update(self, values: Mapping[str, Any]) -> None:
        """Assigns fields by dotted name: all of them, or none where one is refused.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        changed = {
            ".".join((*self._path, name)): value._config if isinstance(value, Builder) else value
            for name, value in values.items()
        }
        self._whole[0] = self._whole[0].replace(changed)

    def read(self, name: str, text: str) -> None:
        """Assigns a field from the text that a command line holds.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        refusals = []
        for value in readings(text):
            try:
                self.update({name: value})
                return
            except RequirementError as error:
                refusals.append(error)
        first = refusals[0]
        requirement, received, _ = first.text.partition(_RECEIVED)
        hint = refusals[-1].text.rpartition(".")[2]  # of the text itself
        if not received or first.field != self._config.dotted(name):  # about a part of the text
            raise first
        text = f"{requirement}{_RECEIVED}{shown(text)}.{hint}"
        raise RequirementError(text, field=first.field)

    @contextlib.contextmanager
    def unlocked(self) -> Iterator["Builder[C]"]:
        """Does nothing: configs of earlier versions had to be unlocked for a sweep."""
        yield self


def builder_of(config: C) -> Builder[C]:
    """Returns a builder that starts with the values of a config."""
    return Builder(type(config), dict(vars(config)))


@overload
def frozen(config: Builder[C]) -> C: ...


@overload
def frozen(config: C) -> C: ...


def frozen(config: Config | Builder) -> Config:
    """Returns the config of a builder; a frozen one as it is."""
    return config._config if isinstance(config, Builder) else config


def accepts_builder(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function of a frozen config take a builder in its place."""

    @functools.wraps(function)
    def wrapped(config: Any, *args: Any, **kwargs: Any) -> R:
        return function(frozen(config), *args, **kwargs)

    return wrapped  # type: ignore[return-value]
