"""Functions called where file modes count, for root as for any owner of files.

Root may read and write whatever the modes say, so that a test of permissions would pass or fail by
who runs it. Here it gives up the capabilities behind that, in a child process: the user stays the
same, because another one could not even read an interpreter that lies below /root.
"""

import ctypes
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.runs.disturbed import in_child

_GIVEN_UP = (1, 2, 3)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
_CAP_SETPCAP = 8
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities each
_FORGET = 24  # PR_CAPBSET_DROP of prctl: programs that the child starts have none of them either


class UnableError(Exception):
    """Modes cannot be made to count here."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def _checked(done: int, what: str) -> None:
    if done != 0:
        raise UnableError(f"{what}: {os.strerror(ctypes.get_errno())}")


def _give_up() -> None:
    """Takes the capabilities from this thread, and so from all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not sys.platform.startswith("linux") or not hasattr(libc, "capset"):
        raise UnableError("the C library has no capset")
    header, sets = _Header(_VERSION, 0), (_Sets * 2)()
    _checked(libc.capget(ctypes.byref(header), sets), "capget")
    for number in _GIVEN_UP:
        if sets[0].effective >> _CAP_SETPCAP & 1:
            _checked(libc.prctl(_FORGET, number, 0, 0, 0), "prctl")
        for name, _ in _Sets._fields_:
            setattr(sets[0], name, getattr(sets[0], name) & ~(1 << number))
    _checked(libc.capset(ctypes.byref(header), sets), "capset")


def _assert_modes_count() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "closed"
        path.write_text("")
        path.chmod(0)
        with pytest.raises(PermissionError):
            path.open().close()


def _without(function: Callable[..., Any], arguments: tuple) -> tuple[str | None, Any]:
    """Why it cannot be, or None and what the function returns; in a process of its own."""
    if os.geteuid() == 0:
        try:
            _give_up()
        except UnableError as error:
            return str(error), None
    _assert_modes_count()
    return None, function(*arguments)


def with_modes(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function(*arguments)`` returns in a child process in which file modes count.

    Skips the test where root cannot give up its capabilities, and fails it with the child's
    traceback where the function raises.

    Args:
      function: of a module that can be imported.
      arguments: of it, to be pickled as its result is.
    """
    reason, found = in_child(_without, function, arguments)
    if reason is not None:
        pytest.skip(f"file modes cannot be made to count for root here: {reason}")
    return found
