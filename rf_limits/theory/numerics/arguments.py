"""Numbers and arrays at the border of the public functions, which compute in float64 and int.

NumPy's own whole numbers overflow (``np.int8(15) ** 2`` is -31), JAX's have 32 bits, and a list
has no arithmetic at all. Every public function converts what it is given once, before anything is
computed or kept in a cache, and what cannot be converted is refused in one line.
"""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin

import numpy as np
from jaxtyping import Float

from rf_limits.errors import RequirementError, check, refusal

Number = Any
"""One number of Python, NumPy or JAX, or an array without axes: what is not is refused here."""

Numbers = Any
"""Numbers in a list, a range, an array of NumPy or JAX, a column of a table."""


Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


def border(function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """Converts arguments of a public function before it sees them, as its annotations say.

    An argument of one of the types at the end of this module, :data:`Dimension` and its like, is
    converted and refused by the function that the type names. One that is left out, or is given
    as None where that is the default, stays as it is.
    """
    signature = inspect.signature(function)
    parameters = signature.parameters
    converters = {name: _converter(p.annotation) for name, p in parameters.items()}

    @functools.wraps(function)
    def converted(*args: Inputs.args, **kwargs: Inputs.kwargs) -> Output:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            left_out = value is None and parameters[name].default is None
            if (convert := converters[name]) is not None and not left_out:
                bound.arguments[name] = convert(value, name)
        return function(*bound.args, **bound.kwargs)

    return converted


def _converter(annotation: Any) -> Callable[[Any, str], Any] | None:
    """Returns the function that an annotation names, also of a type or None."""
    named = (part for part in (annotation, *get_args(annotation)) if get_origin(part) is Annotated)
    return next((part.__metadata__[0] for part in named), None)


def _single(value: Any, field: str, requirement: str) -> int | float:
    """Returns a Python number from one number of any kind."""
    if type(value) in (int, float):
        return value
    kept = None
    if not isinstance(value, (str, bytes, bool, np.bool_)):
        try:
            kept = np.asarray(value)
        except Exception:  # a tracer, a ragged list, a foreign object
            kept = None
    if kept is not None and kept.ndim == 0:
        if kept.dtype.kind in "iuf":
            return kept.item() if kept.dtype.itemsize <= 8 else float(kept)
        if kept.dtype.kind in "OV":  # a fraction, a decimal; half precision of JAX
            try:
                return int(value) if isinstance(value, int) else float(value)
            except (TypeError, ValueError, OverflowError):
                pass
    raise refusal(field, requirement, Shown(value))


def whole(value: Any, field: str, least: int = 0) -> int:
    """Returns a whole number of at least ``least``, of any size.

    Args:
      value: an integer, or a float that is one.
      field: its name.
      least: the least that will do.

    Raises:
      RequirementError: not one number, not whole, or less.
    """
    requirement = f"be a whole number of at least {least}"
    single = _single(value, field, requirement)
    check(isinstance(single, int) or single.is_integer(), field, requirement, Shown(value))
    check(single >= least, field, f"be at least {least}", Shown(value))
    return int(single)


def dimension(value: Any, field: str) -> int:
    """Returns a whole number from 2 to 1e100, beyond which powers of it leave float64."""
    found = whole(value, field, 2)
    check(found <= 10**100, field, "be at most 1e100", Shown(value))
    return found


def size(value: Any, field: str) -> int:
    """Returns a whole number of at least 1."""
    return whole(value, field, 1)


def floor(value: Any, field: str) -> int:
    """Returns a number of at least 0, rounded down; integers of any size."""
    single = _single(value, field, "be a number of at least 0")
    finite = isinstance(single, int) or math.isfinite(single)
    check(finite and single >= 0, field, "be at least 0 and finite", Shown(value))
    return math.floor(single)


def counts(value: Any, field: str) -> tuple[list[int], tuple[int, ...]]:
    """Returns numbers of at least 0, rounded down, and their shape: () for one number."""
    try:
        several = np.asarray(value, object)
    except Exception:  # a tracer, a ragged list
        raise refusal(field, "be numbers", Shown(value)) from None
    return [floor(one, field) for one in several.ravel()], several.shape


def _float(
    value: Any, field: str, requirement: str, good: Callable[[float], bool], refused: str = ""
) -> float:
    """Returns a float for which ``good`` holds; a whole number beyond float64 counts as nan."""
    single = _single(value, field, requirement)
    try:
        found = float(single)
    except OverflowError:
        found = math.nan
    check(good(found), field, refused or requirement, Shown(value))
    return found


def real(value: Any, field: str) -> float:
    """Returns a number as a float, which may be infinite; not nan.

    Raises:
      RequirementError: not one number, nan, or beyond float64.
    """
    held = "be a number that float64 holds"
    return _float(value, field, "be a number", lambda x: not math.isnan(x), held)


def finite(value: Any, field: str) -> float:
    """Returns a finite number as a float."""
    return _float(value, field, "be finite", math.isfinite)


def positive(value: Any, field: str) -> float:
    """Returns a positive, finite number as a float."""
    return _float(value, field, "be positive and finite", lambda x: 0.0 < x < math.inf)


def at_least_zero(value: Any, field: str) -> float:
    """Returns a finite number of at least 0 as a float."""
    return _float(value, field, "be at least 0 and finite", lambda x: 0.0 <= x < math.inf)


def array(value: Any, field: str, ndim: int | None = None) -> np.ndarray:
    """Returns a float64 array of a list, a range, an array of NumPy or JAX, or a column.

    An array that is one already is not copied.

    Args:
      value: the numbers.
      field: their name.
      ndim: number of axes; any if left out.

    Raises:
      RequirementError: not numbers, or another number of axes.
    """
    try:
        found = np.asarray(value)
        numeric = found.dtype.kind not in "USbMmc"
        found = np.asarray(found, np.float64)
    except Exception:  # a tracer, a ragged list, a foreign object
        numeric, found = False, np.zeros(0)
    if not numeric:
        raise refusal(field, "be numbers", Shown(value))
    if ndim is not None and found.ndim != ndim:
        shape = f"be an array with {ndim} {'axis' if ndim == 1 else 'axes'}"
        raise RequirementError(f"{field} must {shape}, but received the shape {found.shape}.")
    return found


def vector(value: Any, field: str) -> np.ndarray:
    """Returns numbers along one axis as a float64 array."""
    return array(value, field, 1)


def matrix(value: Any, field: str) -> np.ndarray:
    """Returns numbers along two axes as a float64 array."""
    return array(value, field, 2)


# Types of arguments, each with the function that converts and refuses values (border).
Whole = Annotated[int, whole]
Dimension = Annotated[int, dimension]
Size = Annotated[int, size]
Real = Annotated[float, real]
Finite = Annotated[float, finite]
Positive = Annotated[float, positive]
Nonnegative = Annotated[float, at_least_zero]
Vector = Annotated[Float[np.ndarray, "_"], vector]
Matrix = Annotated[Float[np.ndarray, "_ _"], matrix]


class Shown:
    """A value in a message: at most 60 characters on one line, however long the number."""

    def __init__(self, value: Any):
        self._value = value

    def __repr__(self) -> str:
        if isinstance(self._value, int) and abs(self._value) >= 10**30:
            digits = math.log10(abs(self._value))
            return f"a number of {math.floor(digits) + 1} digits"
        text = " ".join(repr(self._value).split())
        return text if len(text) <= 60 else text[:57] + "..."
