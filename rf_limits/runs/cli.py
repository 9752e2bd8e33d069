"""Entry of every script: flags parsed, and mistakes answered in one line with exit code 2."""

import contextlib
import errno
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags, logging

from rf_limits.config.flags import ConfigFlag
from rf_limits.config.kinds import shown
from rf_limits.errors import USAGE_ERROR, RequirementError, check
from rf_limits.runs.files import StorageError
from rf_limits.runs.stopping import Interrupted, interruptible
from rf_limits.runs.streams import lasting_streams

STORAGE_ERROR = 74  # EX_IOERR
_PATHS = ("config", "own_config", "workdir", "workdirs", "output", "weights", "initial")
"""Flags that name files and directories."""


def run_script(
    main: Callable[[], int | None],
    argv: list[str] | None = None,
    commands: Mapping[str, Callable[[], int | None]] | None = None,
    config: ConfigFlag | None = None,
) -> None:
    """Parses the command line, runs ``main`` and exits.

    Args:
      main: the script; its return value is the exit code (None is 0).
      argv: command line, ``sys.argv`` if None.
      commands: by first word of the command line, what to run instead of ``main``.
      config: the flag of the script's config, if it has one.

    Exit codes: 0; 2 for a request that cannot be carried out, with one line on standard
    error, and where memory runs out that was counted as enough; 74 where the disk is full or
    cannot be written to; 128 + n where signal n ends it before there is anything to save;
    whatever ``main`` returns.
    """
    argv = sys.argv if argv is None else argv
    with lasting_streams():
        with answering(argv), interruptible():
            if commands and argv[1:2] and argv[1] in commands:
                main, argv = commands[argv[1]], [argv[0], *argv[2:]]
            _parse(argv, config)
            code = main()
        sys.exit(code)


@contextlib.contextmanager
def answering(argv: list[str]) -> Iterator[None]:
    """Answers what goes wrong inside in one line on standard error, and exits."""
    try:
        yield
        return
    except (RequirementError, flags.Error) as error:  # flags.Error: while flags are defined
        code, text = USAGE_ERROR, _one_line(str(error))
    except StorageError as error:
        code, text = STORAGE_ERROR, f"{error} What was finished is kept: the same command goes on."
    except Interrupted as error:
        code, text = 128 + error.signal, f"{error}."
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = _one_line(str(error))
        text = f"memory must hold the job, but ran out ({reason}). What was finished is kept."
        code = USAGE_ERROR
    print(f"{Path(argv[0]).name}: {text}", file=sys.stderr)
    sys.exit(code)


def directories(texts: Sequence[str]) -> list[str]:
    """Returns the directories of flags that take several, given once each or with commas between.

    Directories of cells have commas in their names: words are joined to the longest that is one.

    Args:
      texts: the flag's values.
    """
    paths = []
    for text in texts:
        words = text.split(",")
        while words:
            starts = (",".join(words[:n]).strip() for n in range(len(words), 0, -1))
            path = next(filter(os.path.isdir, starts), words[0].strip())
            paths.append(path)
            words = words[path.count(",") + 1 :]
    return [path for path in paths if path]


_HELP = ("help", "h", "helpshort", "helpfull")


def _help() -> str:
    """Returns the lines on the flags that this package defines."""
    modules = (name for name in flags.FLAGS.flags_by_module_dict() if not name.startswith("absl"))
    return "\n".join(flags.FLAGS.module_help(name).partition("\n")[2] for name in modules)


def _parse(argv: list[str], config: ConfigFlag | None) -> None:
    if any(word.lstrip("-") in _HELP for word in argv[1:] if word.startswith("-")):
        print(sys.modules["__main__"].__doc__)
        print(_help())
        for line in [] if config is None else config.help(argv):
            print(line)
        sys.exit(0)
    logging.set_verbosity(logging.ERROR)  # what is wrong with a config is said once, below
    try:
        argv = [_at_home(word) for word in flags.FLAGS.read_flags_from_files(argv, False)]
        rest = flags.FLAGS(argv if config is None else config.take(argv))
        if config is not None:
            config.load()
        _check_numbers()
        _check_paths()
    except flags.IllegalFlagValueError as error:
        raise RequirementError(_illegal_value(error)) from error
    except flags.Error as error:
        raise RequirementError(_one_line(str(error))) from error
    if len(rest) > 1:
        raise RequirementError(
            f"arguments must be flags, --name=value, but received {' '.join(rest[1:])!r}."
        )


def _check_numbers() -> None:
    """Refuses NaN, which no bound of a flag refuses; fields of configs have checks of their own."""
    for name, value in flags.FLAGS.flag_values_dict().items():
        missing = isinstance(value, float) and math.isnan(value) and "." not in name
        check(not missing, f"--{name}", "be a number", value)


def _at_home(word: str) -> str:
    """Expands ``~`` in an argument as shells do, which leave it there after ``--workdir=``."""
    name, equals, value = word.partition("=")
    if name.lstrip("-") not in _PATHS or not name.startswith("-") or not equals:
        return word
    return name + equals + ",".join(os.path.expanduser(path) for path in value.split(","))


def _check_paths() -> None:
    """Refuses names that no file can have, such as those of hundreds of letters."""
    for name in (path for path in _PATHS if path[-6:] != "config" and path in flags.FLAGS):
        value = flags.FLAGS[name].value
        for path in [value] if isinstance(value, str) else value or []:
            try:
                os.lstat(path)
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                    continue
                reason = getattr(error, "strerror", None) or str(error)
                text = f"must be a name that files can have, but received {shown(path)} ({reason})."
                raise RequirementError(text, field=f"--{name}") from error


def _illegal_value(error: flags.IllegalFlagValueError) -> str:
    """Says what a flag must be, and the value received."""
    text = str(error)
    match = re.match(r"flag --([\w.]+)=(.*)", text, re.DOTALL)
    if match is None:
        return _one_line(text)
    name, rest = match.groups()
    value, _, reason = rest.rpartition(": ")
    if error.__context__ is not None and rest.endswith(f": {error.__context__}"):
        reason = str(error.__context__)
        value = rest.removesuffix(f": {reason}")
    if "must have a value other than None" in reason:
        return f"--{name} must be given."
    parser = flags.FLAGS[name].parser if name in flags.FLAGS else None
    requirement = _requirement(parser) or f"be usable ({_one_line(reason)})"
    return f"--{name} must {requirement}, but received {value!r}."


def _requirement(parser: Any) -> str | None:
    if isinstance(parser, flags.BooleanParser):
        return "be True or False"
    if isinstance(parser, flags.EnumParser):
        return f"be one of {', '.join(parser.enum_values)}"
    return f"be {parser.syntactic_help}" if getattr(parser, "syntactic_help", "") else None


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
