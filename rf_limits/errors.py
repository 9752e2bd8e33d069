"""The one exception a user meets, and the checks that raise it.

Every message names the field, states the requirement and gives the value received.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RequirementError(ValueError):
    """A request that cannot be carried out as stated: one line, raised before work starts."""


def check(condition: bool, field: str, requirement: str, received: object) -> None:
    """Raises :class:`RequirementError` unless ``condition`` holds.

    Args:
      condition: what must be true.
      field: the name the user knows the value by, for example ``"problem.dim"``.
      requirement: what was asked, phrased to follow "must be" or "must".
      received: the value found.

    Raises:
      RequirementError: ``"<field> must <requirement>, but received <received>."``
    """
    if not condition:
        raise RequirementError(f"{field} must {requirement}, but received {received!r}.")


def check_choice(value: object, choices: Iterable[str], field: str) -> None:
    """Raises :class:`RequirementError` unless ``value`` is one of ``choices``.

    The nearest valid name is offered.
    """
    names = sorted(choices)
    if value in names:
        return
    near = get_close_matches(str(value), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise RequirementError(
        f"{field} must be one of {', '.join(names)}, but received {value!r}.{hint}"
    )
