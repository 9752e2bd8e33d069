"""A SHA-256 of the program that makes the numbers of a run, with the user's own code.

A git revision is not enough: every uncommitted edit has the same "+changes" behind it, and where
git does not answer there is none. Libraries that pickle functions by value (cloudpickle, dill)
give other bytes in every process, because of the order of sets.
"""

import contextlib
import enum
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
    """Returns a SHA-256 of the names and contents of all Python files below a folder."""
    paths = sorted(folder.rglob("*.py"))
    lines = (
        f"{path.relative_to(folder).as_posix()} {_digest(path.read_bytes())}" for path in paths
    )
    return _digest("\n".join(lines).encode())


_PACKAGE = package_digest()
"""Taken when this process loads the package: later edits are not in its program."""


def program(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a SHA-256 of the package's files and of the entries that users put into its tables.

    Of a user's function it covers its code, the file it is in, and every function that it names;
    of a class its methods, of other objects what their attributes hold. Files of this package are
    digested once, those of libraries whose versions are recorded not at all.

    Args:
      tables: by name, entries by name: functions, or modules and objects that hold functions.
    """
    digest = hashlib.sha256(_PACKAGE.encode())
    for table, entries in sorted(tables.items()):
        for name, entry in sorted(entries.items()):
            values = entry if isinstance(entry, tuple) else (entry,)
            sources = sorted(_sources(_imported(value) for value in values))
            if sources:
                digest.update(f"\n{table} {name} {' '.join(sources)}".encode())
    return digest.hexdigest()


def _imported(entry: Any) -> Any:
    """Imports an entry that is the name of a module outside this package; returns others as is."""
    packaged = not isinstance(entry, str) or entry.split(".")[0] == _FOLDER.name
    return entry if packaged else importlib.import_module(entry)


def _sources(values: Iterable[Any]) -> set[str]:
    """Returns digests of the files and functions behind objects."""
    digests, waiting = set[str](), list(values)
    seen: dict[int, Any] = {}  # holds the objects: their numbers belong to no others then
    while waiting:
        value = waiting.pop()
        if id(value) not in seen:
            seen[id(value)] = value
            inside, parts = _opened(value)
            digests |= inside
            waiting += parts
    return digests


def _opened(value: Any) -> tuple[set[str], list[Any]]:
    """Returns the digests of an object itself, and the objects in it that may hold more code."""
    if isinstance(value, Mapping):
        return set(), [*value.values()]
    if isinstance(value, (list, tuple)):
        return set(), [*value]
    if isinstance(value, ModuleType):
        path = getattr(value, "__file__", None)
        return _file(path), _code(vars(value).values()) if _origin(path) is Origin.USER else []
    if isinstance(value, _HOLDERS):
        return set(), [getattr(value, name, None) for name in _HELD]
    if isinstance(value, FunctionType):
        return _opened_function(value)
    if isinstance(value, type):
        library = _top(value) in _LIBRARIES
        return set(), [] if library else [*value.__bases__, *_code(vars(value).values())]
    if hasattr(value, "__wrapped__"):  # such as what jax.jit returns
        return set(), [inspect.unwrap(value)]
    return set(), [type(value), *getattr(value, "__dict__", {}).values()]


def _opened_function(function: FunctionType) -> tuple[set[str], list[Any]]:
    path, code = function.__code__.co_filename, function.__code__
    digests, parts = _file(path), [inspect.unwrap(function)]
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a name that has no value yet
            parts.append(cell.cell_contents)
    origin = _origin(path)
    if origin is Origin.NONE and _top(function) not in _LIBRARIES:
        origin = Origin.USER  # typed into a notebook, and not generated by a library
    if origin is not Origin.USER:
        return digests, parts
    names = _names(code)
    named = [value for name, value in function.__globals__.items() if name in names]
    for module in [value for value in named if isinstance(value, ModuleType)]:
        digests |= _file(getattr(module, "__file__", None))
        named += [value for name, value in vars(module).items() if name in names]
    defaults = [function.__defaults__ or (), function.__kwdefaults__ or {}]
    return digests | {_code_digest(code)}, parts + _code(named) + defaults


def _top(value: Any) -> str:
    """Returns the name of the package that a function or class says it is of."""
    return str(value.__module__).split(".")[0]


def _code(values: Iterable[Any]) -> list[Any]:
    """Returns the functions and classes among values, and what holds functions."""
    return [value for value in values if callable(value) or isinstance(value, _HOLDERS)]


class Origin(enum.Enum):
    """Whose a file is."""

    NONE = "no file"
    KNOWN = "of this package, of the standard library, or of one whose version is recorded"
    LIBRARY = "of another installed library"
    USER = "of the user"


def _origin(path: str | None) -> Origin:
    if path is None or not os.path.isfile(path):
        return Origin.NONE
    whole = Path(os.path.abspath(path))
    at = [i for i, part in enumerate(whole.parts) if part in _INSTALLED]
    if at:
        name = whole.parts[at[-1] + 1].removesuffix(".py")
        known = name in _RECORDED or whole.is_relative_to(_FOLDER)
        return Origin.KNOWN if known else Origin.LIBRARY
    known = whole.is_relative_to(_FOLDER) or whole.is_relative_to(_STANDARD)
    return Origin.KNOWN if known else Origin.USER


def _file(path: str | None) -> set[str]:
    """Returns the digest of a file that may change without a version that run.json records."""
    changes = path is not None and _origin(path) in (Origin.LIBRARY, Origin.USER)
    return {_digest(Path(path).read_bytes())} if path is not None and changes else set()


def _names(code: CodeType) -> set[str]:
    """Returns the names that a function and those inside it look up."""
    inner = (value for value in code.co_consts if isinstance(value, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _code_digest(code: CodeType) -> str:
    """Returns a digest of what a function does, wherever it is written."""
    parts = [code.co_code.hex(), repr((code.co_names, code.co_varnames, code.co_freevars))]
    for value in code.co_consts:
        if isinstance(value, CodeType):
            parts.append(_code_digest(value))
        elif isinstance(value, frozenset):
            parts.append(repr(sorted(map(repr, value))))  # its order differs between processes
        else:
            parts.append(repr(value))
    return _digest("\n".join(parts).encode())
