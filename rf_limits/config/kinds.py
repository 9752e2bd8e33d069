"""The types of fields: which values they take, and the words in which an error asks for one.

A type is an annotation: a type of Python, in ``Annotated`` with bounds of ``annotated_types`` and
checks of pydantic. pydantic decides whether a value is of the type, :func:`requirement` says it.
"""

import ast
import contextlib
import dataclasses
import types
from collections.abc import Callable, Collection, Iterator
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
import numpy as np
import pydantic

from rf_limits.errors import RequirementError, did_you_mean
from rf_limits.problem.seeds import MOST

MOST_SEEDS = 10_000
"""Most draws where they are made one after the other."""
MOST_DEGREES = 100
"""Largest degree by which risks are told apart: compiling takes a second for each ten."""
_LONGEST = 200  # characters of a value in an error line


@dataclasses.dataclass(frozen=True)
class Words:
    """The words for a type, in place of those that follow from its parts."""

    text: str


@dataclasses.dataclass(frozen=True, eq=False)
class OneOf:
    """A check that a text is one of some names, which may be the keys of a table that grows."""

    source: Collection[str] | Callable[[], Collection[str]]

    @property
    def names(self) -> Collection[str]:
        """Returns the names, which a function of :attr:`source` looks up."""
        return self.source() if callable(self.source) else self.source

    def __call__(self, value: str) -> str:
        """Returns the name.

        Raises:
          ValueError: it is none of them.
        """
        if value not in self.names:
            raise ValueError(value)
        return value


def among(names: Collection[str] | Callable[[], Collection[str]]) -> pydantic.AfterValidator:
    """Returns the check of a type in ``Annotated`` that its values are among these names.

    Args:
      names: or a function that looks them up when a value is checked.
    """
    return pydantic.AfterValidator(OneOf(names))


def _distinct(values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise ValueError("hold each value once")
    return values


Entry = TypeVar("Entry")
Whole = Annotated[int, annotated_types.Ge(1)]
Sized = Annotated[int, annotated_types.Ge(2)]
Count = Annotated[int, annotated_types.Ge(0)]
Seeds = Annotated[int, annotated_types.Interval(ge=1, le=MOST_SEEDS)]
Seed = Annotated[
    int, annotated_types.Interval(ge=0, le=MOST), Words("be a whole number from 0 to 2^63 - 1")
]
Degree = Annotated[int, annotated_types.Interval(ge=0, le=MOST_DEGREES)]
Number = Annotated[float, pydantic.AllowInfNan(False)]
Positive = Annotated[float, pydantic.AllowInfNan(False), annotated_types.Gt(0)]
NonNegative = Annotated[float, pydantic.AllowInfNan(False), annotated_types.Ge(0)]
Several = Annotated[
    tuple[Entry, ...], annotated_types.MinLen(1), pydantic.AfterValidator(_distinct)
]
"""A tuple with one entry or more, each only once."""
Terms = Annotated[
    tuple[tuple[tuple[Count, ...], Number], ...],
    annotated_types.MinLen(1),
    pydantic.AfterValidator(_distinct),
    Words('be powers with a coefficient for each term, as in "(((2, 1), 0.5), ((0, 1), 1.0))"'),
]
"""The terms of a polynomial: powers of its coordinates, with a coefficient."""


def _parts(kind: Any) -> tuple[Any, list[Any]]:
    """Returns a type without ``Annotated``, and what was said of it there."""
    base, *rest = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    return base, rest


def _said(rest: list[Any], name: str) -> Any:
    """Returns the attribute ``name`` of the first part of ``Annotated`` that has it, or None."""
    values = (getattr(part, name, None) for part in rest)
    return next((value for value in values if value is not None), None)


def _names(kind: Any) -> Collection[str]:
    """Returns the names that a type consists of; none of a type that does not."""
    base, rest = _parts(kind)
    if get_origin(base) is Literal:
        return get_args(base)
    check = _said(rest, "func")
    return check.names if isinstance(check, OneOf) else ()


def _bounds(rest: list[Any], noun: str) -> str:
    """Says within which bounds a number must be."""
    least, above, most = (_said(rest, name) for name in ("ge", "gt", "le"))
    if least is not None and most is not None:
        return f"be {noun} from {least:g} to {most:g}"
    joined = " and" if noun == "finite" else " of"
    if least is not None:
        return f"be {noun}{joined} at least {least:g}"
    return f"be {noun}{joined} above {above:g}" if above is not None else f"be {noun}"


def requirement(kind: Any) -> str:
    """Returns the words that ask for a value of a type, phrased to follow "must"."""
    base, rest = _parts(kind)
    words = _said(rest, "text")
    if words is not None:
        return words
    if _names(kind):
        return f"be one of {', '.join(sorted(_names(kind)))}"
    if get_origin(base) in (Union, types.UnionType):
        others = [part for part in get_args(base) if part is not type(None)]
        first = ["None"] if len(others) < len(get_args(base)) else []
        return "be " + " or ".join(first + [requirement(o).removeprefix("be ") for o in others])
    if base is bool:
        return "be True or False"
    if base is int:
        return _bounds(rest, "a whole number")
    if base is float:
        return _bounds(rest, "finite")
    if get_origin(base) is tuple:
        some = sorted(_names(get_args(base)[0]))[:2]
        example = tuple(some) if some else (32, 128)
        return f'be a{" non-empty" if rest else ""} tuple, as in "{example}"'
    return "be text"


def values_of(kind: Any) -> str:
    """Returns the values of a type in words: "a tuple with one or more of: a whole number"."""
    base, rest = _parts(kind)
    if get_origin(base) is tuple and _said(rest, "text") is None:
        number = "one or more" if rest else "any number"
        return f"a tuple with {number} of: {values_of(get_args(base)[0])}"
    return requirement(kind).removeprefix("be ")


def _plain(value: Any) -> Any:
    """Returns tuples for lists, numbers of Python for those of NumPy, and 0.0 for -0.0."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    value = value.item() if isinstance(value, np.generic) else value
    return value + 0.0 if isinstance(value, float) else value


def checked(kind: Any, adapter: pydantic.TypeAdapter, value: Any, field: str) -> Any:
    """Returns a value as its field has it: of its type, with tuples for lists.

    Args:
      kind: the field's type.
      adapter: pydantic's, for the type.
      value: what was assigned.
      field: dotted name, for errors.

    Raises:
      RequirementError: the value is not of the type.
    """
    try:
        return adapter.validate_python(_plain(value), strict=True)
    except pydantic.ValidationError as error:
        problem = error.errors(include_url=False)[0]
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, RequirementError):  # of a check that names the field itself
            raise cause from error
        entry = bool(problem["loc"]) and isinstance(problem["loc"][0], int)
        entry = entry and _said(_parts(kind)[1], "text") is None
        received = problem["input"] if entry else value
        kind = get_args(_parts(kind)[0])[0] if entry else kind
        words = str(cause) if str(cause).startswith("hold ") else requirement(kind)
        names = _names(kind)
        hint = did_you_mean(str(received), sorted(names), "{!r}", cutoff=0.6) if names else ""
        text = f"must {words}, but received {shown(received)}.{hint}"
        raise RequirementError(text, field=field) from None


def shown(value: Any) -> str:
    """Returns the value as an error line holds it: as Python writes it, but cut off if long."""
    text = repr(value)
    if "\n" in text:
        return str(type(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 50]}..."


def readings(text: str) -> Iterator[Any]:
    """Yields what a text on the command line may stand for: a literal of Python, or itself."""
    lower = text.strip().lower()
    if lower in ("true", "false"):
        yield lower == "true"
    else:
        with contextlib.suppress(SyntaxError, ValueError, MemoryError, RecursionError):
            yield ast.literal_eval(text.strip())
    yield text
