"""Which program a run is: a SHA-256 of the code that makes its numbers, the user's own included.

A revision does not say it: every uncommitted edit has the same "+changes" behind it, and where git
does not answer there is none.
"""

import contextlib
import functools
import hashlib
import importlib
import inspect
import os
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import rf_limits

PACKAGES = ("jax", "jaxlib", "flax", "optax", "neural-tangents", "numpy", "scipy", "pandas")
"""Libraries whose versions run.json records: their files need no digest."""
_FOLDER = Path(rf_limits.__file__).parent
_STANDARD = sysconfig.get_path("stdlib")
_INSTALLED = ("site-packages", "dist-packages")
_RECORDED = {name.replace("-", "_") for name in PACKAGES}
_LIBRARIES = {"builtins", _FOLDER.name, *_RECORDED}
_HOLDERS = (functools.partial, MethodType, property, staticmethod, classmethod)
_HELD = ("func", "args", "keywords", "__func__", "__self__", "fget")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def package_digest(folder: Path = _FOLDER) -> str:
    """SHA-256 of the names and contents of all Python files below a folder."""
    paths = sorted(folder.rglob("*.py"))
    lines = (
        f"{path.relative_to(folder).as_posix()} {_digest(path.read_bytes())}" for path in paths
    )
    return _digest("\n".join(lines).encode())


_PACKAGE = package_digest()
"""Taken when this process loads the package: what is edited later it does not run."""


def program(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """SHA-256 of the package's files and of what users have put into its tables.

    Of a function of the user's that is its code, the file it is in, and the same of every function
    that it names; of a class its methods, of other objects what they hold. Files of this package
    are digested once, those of libraries whose versions are recorded not at all.

    Args:
      tables: by name, entries by name: functions, or modules and objects that hold functions.
    """
    found = hashlib.sha256(_PACKAGE.encode())
    for table, entries in sorted(tables.items()):
        for name, entry in sorted(entries.items()):
            held = entry if isinstance(entry, tuple) else (entry,)
            sources = sorted(_Sources().of(*(_named(one) for one in held)))
            if sources:
                found.update(f"\n{table} {name} {' '.join(sources)}".encode())
    return found.hexdigest()


def _named(entry: Any) -> Any:
    """The module where an entry is the name of one that is not of this package, else the entry."""
    own = not isinstance(entry, str) or entry.split(".")[0] == _FOLDER.name
    return entry if own else importlib.import_module(entry)


class _Sources:
    """Digests of the code behind an object, none of it twice."""

    def __init__(self):
        self.seen: dict[int, Any] = {}  # holds the objects: their numbers belong to no others then

    def of(self, *values: Any) -> set[str]:
        """Digests of files and functions."""
        found: set[str] = set()
        for value in values:
            if id(value) not in self.seen:
                self.seen[id(value)] = value
                found |= self._of_new(value)
        return found

    def _of_new(self, value: Any) -> set[str]:
        if isinstance(value, Mapping):
            return self.of(*value.values())
        if isinstance(value, (list, tuple)):
            return self.of(*value)
        if isinstance(value, ModuleType):
            path = getattr(value, "__file__", None)
            return _file(path) | self.of(*(_code(vars(value).values()) if _is_own(path) else ()))
        if isinstance(value, _HOLDERS):
            return self.of(*(getattr(value, name, None) for name in _HELD))
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            if _top(value) in _LIBRARIES:
                return set()
            return self.of(*value.__bases__, *_code(vars(value).values()))
        if hasattr(value, "__wrapped__"):  # such as what jax.jit returns
            return self.of(inspect.unwrap(value))
        return self.of(type(value), *getattr(value, "__dict__", {}).values())

    def _function(self, function: FunctionType) -> set[str]:
        path, code = function.__code__.co_filename, function.__code__
        found = _file(path) | self.of(inspect.unwrap(function), _cells(function))
        generated = not os.path.isfile(path) and _top(function) in _LIBRARIES
        if generated or not _is_own(path):
            return found
        names = _names(code)
        named = [value for name, value in function.__globals__.items() if name in names]
        modules = [one for one in named if isinstance(one, ModuleType)]
        for one in modules:
            found |= _file(getattr(one, "__file__", None))
            named += [value for name, value in vars(one).items() if name in names]
        given = (function.__defaults__ or (), function.__kwdefaults__ or {})
        return found | {_code_digest(code)} | self.of(*_code(named), *given)


def _top(value: Any) -> str:
    """The name of the package that a function or class says it is of."""
    return str(value.__module__).split(".")[0]


def _code(values: Iterable[Any]) -> list[Any]:
    """Functions, classes, and what holds them."""
    return [one for one in values if callable(one) or isinstance(one, _HOLDERS)]


def _cells(function: FunctionType) -> list[Any]:
    """What a function holds of the one it was defined in."""
    found = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a name that has no value yet
            found.append(cell.cell_contents)
    return found


def _is_own(path: str | None) -> bool:
    """Whether a file is neither of this package nor of an installed library."""
    if path is None:
        return False
    whole = Path(os.path.abspath(path))
    return not (
        whole.is_relative_to(_FOLDER)
        or whole.is_relative_to(_STANDARD)
        or set(whole.parts) & set(_INSTALLED)
    )


def _file(path: str | None) -> set[str]:
    """The digest of a file that somebody may change without a version that run.json records."""
    if path is None or not os.path.isfile(path):
        return set()
    whole = Path(os.path.abspath(path))
    at = [i for i, part in enumerate(whole.parts) if part in _INSTALLED]
    if at:
        recorded = whole.parts[at[-1] + 1].removesuffix(".py") in _RECORDED
    else:
        recorded = whole.is_relative_to(_STANDARD)
    if recorded or whole.is_relative_to(_FOLDER):
        return set()
    return {_digest(whole.read_bytes())}


def _names(code: CodeType) -> set[str]:
    """Names that a function and those inside it look up."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _code_digest(code: CodeType) -> str:
    """Of what a function does, wherever it is written."""
    held = [code.co_code.hex(), repr((code.co_names, code.co_varnames, code.co_freevars))]
    for one in code.co_consts:
        if isinstance(one, CodeType):
            held.append(_code_digest(one))
        elif isinstance(one, frozenset):
            held.append(repr(sorted(map(repr, one))))  # its own order is another in every process
        else:
            held.append(repr(one))
    return _digest("\n".join(held).encode())
