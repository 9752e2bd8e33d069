"""Frozen configs: dataclasses that check every field when they are made.

A config has sections, which are configs too. Fields are named with dots: ``"problem.dim"``.
"""

import copy
import dataclasses
import functools
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pydantic

from rf_limits.config.kinds import checked, values_of
from rf_limits.errors import RequirementError, check, did_you_mean, refusal

C = TypeVar("C", bound="Config")
FORM = 3
"""Version of the form in which configs are saved. In form 1 numbers could be text."""


def option(default: Any, meaning: str, unit: str = "", *, since: int = 1) -> Any:
    """Declares a field of a config.

    Args:
      default: the value of a config that assigns none, or a function that returns it.
      meaning: one line for ``--help``, the documents and the report.
      unit: of its numbers.
      since: form of the first saved configs that have it; earlier ones have its default.
    """
    metadata = {"meaning": meaning, "unit": unit, "since": since}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def section(kind: type["Config"], /, **values: Any) -> Any:
    """Declares a field that is a config itself.

    Args:
      kind: class of the section.
      **values: defaults in which this one differs from its class.
    """
    return dataclasses.field(default_factory=functools.partial(kind, **values))


def with_defaults(cls: type, values: Mapping[str, Any]) -> None:
    """Gives a class that extends a config other defaults, before it becomes a dataclass itself.

    Args:
      cls: the class.
      values: defaults by dotted name of fields that the config has.

    Raises:
      RequirementError: there is no such field, or it cannot have that value; a field of the class
        itself has the name of one that the config has.
    """
    bases: list[Any] = [
        base for base in reversed(cls.__mro__[1:]) if dataclasses.is_dataclass(base)
    ]
    fields = {name: field for base in bases for name, field in base.__dataclass_fields__.items()}
    kinds = {name: kind for base in bases for name, kind in kinds_of(base).items()}
    # not cls.__annotations__, which may be those of a base
    annotations = dict(inspect.get_annotations(cls))
    for name in annotations:
        requirement = "have another name: defaults give a field of the base another default"
        check(name not in fields, f"field of {cls.__name__}", requirement, name)
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        first, _, rest = name.partition(".")
        if first not in fields:
            text = f"must name fields of the base, but there is none of the name {name!r}."
            raise RequirementError(text + did_you_mean(first, fields), field="defaults")
        nested.setdefault(first, {})[rest] = value
    for first, inner in nested.items():
        field, new = fields[first], inner.get("")
        if "" not in inner:
            new = field.default_factory().replace(inner)
        annotations[first] = kinds[first]
        setattr(cls, first, dataclasses.field(default=new, metadata=field.metadata))
    cls.__annotations__ = annotations


class UnknownFieldError(RequirementError, AttributeError):
    """There is no field of that name."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a config that is no section.

    Attributes:
      name: with dots.
      kind: its type, an annotation (:mod:`rf_limits.config.kinds`).
      value: that it has.
      meaning: one line.
      unit: of its numbers.
    """

    name: str
    kind: Any
    value: Any
    meaning: str
    unit: str

    @property
    def values(self) -> str:
        """Returns the values that it may have, in words."""
        return values_of(self.kind)


@dataclasses.dataclass(frozen=True)
class Config:
    """A config whose fields are checked: what it is made with, and what :meth:`replace` puts in.

    A subclass is a frozen dataclass whose fields are declared by :func:`option` and
    :func:`section`. What concerns several fields is checked where the config is used.

    Attributes:
      path: dotted name of the section; empty for a whole config.

    Raises:
      RequirementError: a value that its field cannot have.
    """

    path: ClassVar[str] = ""

    if TYPE_CHECKING:

        @property
        def experiment(self) -> str:
            """Returns the name of its experiment, a field of every config that is no section."""

    def __post_init__(self) -> None:
        """Checks the type and the range of every field."""
        for name in kinds_of(type(self)):
            self._set(name, getattr(self, name))

    @classmethod
    def dotted(cls, name: str) -> str:
        """Returns the name of one of its fields as users write it."""
        return f"{cls.path}.{name}" if cls.path else name

    def options(self) -> Iterator[Field]:
        """Yields every field, those of sections in their place."""
        for field in dataclasses.fields(self):
            kind, value = kinds_of(type(self))[field.name], getattr(self, field.name)
            if isinstance(value, Config):
                yield from value.options()
            else:
                words = (field.metadata["meaning"], field.metadata["unit"])
                yield Field(self.dotted(field.name), kind, value, *words)

    def replace(self: C, values: Mapping[str, Any]) -> C:
        """Returns the config with other values, by dotted name.

        Raises:
          RequirementError: there is no such field, or it cannot have that value.
        """
        changed = copy.copy(self)
        for name, value in values.items():
            first, _, rest = name.partition(".")
            inner = getattr(changed, first, None)
            if rest and isinstance(inner, Config):
                value = inner.replace({rest: value})
            elif rest or first not in kinds_of(type(self)):
                raise unknown_field(type(self), name)
            changed._set(first, value)
        return changed

    def _set(self, name: str, value: Any) -> None:
        """Assigns a field, after a check of its type and its range."""
        kind, field = kinds_of(type(self))[name], self.dotted(name)
        if not is_section(kind):
            value = checked(kind, _adapter(type(self), name), value, field)
        elif not isinstance(value, kind):
            raise refusal(field, "be a section, whose fields are given one by one", value)
        object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        """Returns the values as JSON holds them: sections are dictionaries, tuples are lists.

        A whole config says in ``form`` the version of the form in which it is saved.
        """
        form = {} if self.path else {"form": FORM}
        return form | {name: to_json(getattr(self, name)) for name in kinds_of(type(self))}

    @classmethod
    def from_json(cls: type[C], values: Mapping[str, Any]) -> C:
        """Makes a config from what :meth:`to_json` returned, here or in an earlier version.

        Raises:
          RequirementError: a field is missing, unknown or has a value that it cannot have; the
            form is one of a later version.
        """
        form = values.get("form", 1)
        requirement = f"be at most {FORM}, the form that this version of rf_limits knows"
        check(isinstance(form, int) and 1 <= form <= FORM, "form", requirement, form)
        return cls._of_form({name: v for name, v in values.items() if name != "form"}, form)

    @classmethod
    def _of_form(cls: type[C], values: Mapping[str, Any], form: int) -> C:
        """Makes a config, or a section of one, from values that were saved in a form."""
        kinds, made = kinds_of(cls), {}
        for name in values:
            if name not in kinds:
                raise unknown_field(cls, name)
        for name, kind in kinds.items():
            if name not in values:
                if cls.__dataclass_fields__[name].metadata.get("since", 1) > form:
                    continue
                raise RequirementError("must be a field, but is missing.", field=cls.dotted(name))
            value = values[name]
            nested = is_section(kind) and isinstance(value, Mapping)
            made[name] = kind._of_form(value, form) if nested else value
        return cls().replace(made)


def check_form(values: Mapping[str, Any], place: object) -> None:
    """Refuses saved values of a config that are of another form than this version writes.

    Args:
      values: what :meth:`Config.to_json` returned.
      place: file that they are in, for errors.

    Raises:
      RequirementError: they are of the form of an earlier or later version.
    """
    form = values.get("form", 1)
    if form != FORM:
        raise RequirementError(
            f"{place} must hold configs of form {FORM}, as this version of rf_limits writes them, "
            f"but is of form {form}: use another --workdir, or the version that made it."
        )


def to_json(value: Any) -> Any:
    """Returns a value of a field as JSON holds it: a section is a dictionary, a tuple a list."""
    if isinstance(value, Config):
        return value.to_json()
    return [*map(to_json, value)] if isinstance(value, tuple) else value


def is_section(kind: Any) -> bool:
    """Returns whether a field's type is that of a section."""
    return isinstance(kind, type) and issubclass(kind, Config)


_KINDS: dict[type, dict[str, Any]] = {}
_ADAPTERS: dict[tuple[type, str], pydantic.TypeAdapter] = {}


def kinds_of(cls: type[Config]) -> dict[str, Any]:
    """Returns the types of the fields of a config class, by name, in their order."""
    if cls not in _KINDS:
        hints = typing.get_type_hints(cls, include_extras=True)
        _KINDS[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _KINDS[cls]


def _adapter(cls: type[Config], name: str) -> pydantic.TypeAdapter:
    if (cls, name) not in _ADAPTERS:
        _ADAPTERS[cls, name] = pydantic.TypeAdapter(kinds_of(cls)[name])
    return _ADAPTERS[cls, name]


def unknown_field(cls: type[Config], name: str) -> UnknownFieldError:
    """Returns the error for a name that is no field of a config or section."""
    names = [*(field.name for field in cls().options()), *map(cls.dotted, kinds_of(cls))]
    text = "must be a field of the config, but there is none of that name."
    return UnknownFieldError(text + did_you_mean(cls.dotted(name), names), field=cls.dotted(name))


def flat(values: Config | Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the values of all fields of a config, or of saved ones, by dotted name."""
    fields: dict[str, Any] = {}
    for name, value in (vars(values) if isinstance(values, Config) else values).items():
        if name == "form" and not prefix:  # says how the fields are saved, and is none of them
            continue
        nested = isinstance(value, (Config, Mapping))
        fields |= flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return fields


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Returns the shortest endings of dotted names that tell them apart."""
    shortest = {}
    for name in names:
        steps = name.split(".")
        endings = (".".join(steps[-k:]) for k in range(1, len(steps) + 1))
        clear = (e for e in endings if sum(f".{n}".endswith(f".{e}") for n in names) == 1)
        shortest[name] = next(clear, name)
    return shortest
