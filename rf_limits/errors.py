"""The exception with which requests are refused, and the checks that raise it.

Every message names the field, states the requirement and gives the value received.
"""

from collections.abc import Iterable
from difflib import get_close_matches

USAGE_ERROR = 2
"""Exit code of a request that cannot be carried out."""


class RequirementError(ValueError):
    """A request that cannot be carried out as stated: one line, raised before work starts.

    Args:
      text: the line, or what follows ``field`` in it.
      field: the name that the user knows the refused value by; empty where the line is not about
        a single value.

    Attributes:
      field, text: the arguments.
    """

    def __init__(self, text: str, *, field: str = ""):
        super().__init__(f"{field} {text}" if field else text)
        self.field, self.text = field, text

    def renamed(self, field: str) -> "RequirementError":
        """Returns the same refusal of a value that the user knows by another name."""
        return RequirementError(self.text, field=field)


def check(condition: bool, field: str, requirement: str, received: object) -> None:
    """Raises :class:`RequirementError` unless ``condition`` holds.

    Args:
      condition: what must be true.
      field: the name the user knows the value by, for example ``"problem.dim"``.
      requirement: what the value must be or do, phrased to follow "must".
      received: the value.

    Raises:
      RequirementError: ``"<field> must <requirement>, but received <received>."``
    """
    if not condition:
        raise refusal(field, requirement, received)


def refusal(field: str, requirement: str, received: object) -> RequirementError:
    """Returns the error that :func:`check` raises; arguments as there."""
    return RequirementError(f"must {requirement}, but received {received!r}.", field=field)


def check_choice(value: object, choices: Iterable[str], field: str) -> None:
    """Raises :class:`RequirementError` unless ``value`` is one of ``choices``.

    The nearest valid name is offered.
    """
    names = sorted(choices)
    if value not in names:
        hint = did_you_mean(str(value), names, "{!r}", cutoff=0.6)
        requirement = f"must be one of {', '.join(names)}, but received {value!r}.{hint}"
        raise RequirementError(requirement, field=field)


def did_you_mean(name: str, known: Iterable[str], form: str = "{}", *, cutoff: float = 0.5) -> str:
    """``" Did you mean ...?"`` with the nearest known name, or nothing where none is near.

    Args:
      name: what was written.
      known: names that would do.
      form: how the name is shown.
      cutoff: how alike they must be, from 0 to 1.
    """
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {form.format(near[0])}?" if near else ""
