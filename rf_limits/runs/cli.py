"""Entry of every script: flags parsed, and mistakes answered in one line with exit code 2."""

import re
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from absl import flags

from rf_limits.errors import USAGE_ERROR, RequirementError, did_you_mean
from rf_limits.experiments.fields import config_fields
from rf_limits.runs.files import StorageError

STORAGE_ERROR = 74  # EX_IOERR


def run_script(
    main: Callable[[], int | None],
    argv: list[str] | None = None,
    commands: Mapping[str, Callable[[], int | None]] | None = None,
) -> None:
    """Parses the command line, runs ``main`` and exits.

    Args:
      main: the script; its return value is the exit code (None is 0).
      argv: command line, ``sys.argv`` if None.
      commands: by first word of the command line, what to run instead of ``main``.

    Exit codes: 0; 2 for a request that cannot be carried out, with one line on standard
    error; 74 where the disk is full or cannot be written to; whatever ``main`` returns.
    """
    argv = sys.argv if argv is None else argv
    try:
        if commands and argv[1:2] and argv[1] in commands:
            main, argv = commands[argv[1]], [argv[0], *argv[2:]]
        _parse(argv)
        code = main()
    except RequirementError as error:
        print(f"{Path(argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)
    except StorageError as error:
        print(
            f"{Path(argv[0]).name}: {error} What was finished is kept: the same command goes on.",
            file=sys.stderr,
        )
        sys.exit(STORAGE_ERROR)
    sys.exit(code)


def _parse(argv: list[str]) -> None:
    if "--help" in argv or "-h" in argv or "--helpfull" in argv:
        print(sys.modules["__main__"].__doc__)
        print(flags.FLAGS.get_help())
        sys.exit(0)
    try:
        rest = flags.FLAGS(argv)
        if "config" in flags.FLAGS and flags.FLAGS["config"].present:
            _ = flags.FLAGS.config.experiment  # a file that cannot be loaded says so only here
    except flags.Error as error:
        raise RequirementError(_one_line(str(error))) from error
    except (AttributeError, KeyError) as error:
        raise RequirementError(_unknown_field(argv)) from error
    except (TypeError, ValueError, OSError, SyntaxError, ImportError) as error:
        raise RequirementError(_one_line(f"--config could not be used: {error}")) from error
    if len(rest) > 1:
        raise RequirementError(
            f"arguments must be flags, --name=value, but received {' '.join(rest[1:])!r}."
        )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _config_path(argv: list[str]) -> str | None:
    for i, word in enumerate(argv):
        if match := re.fullmatch(r"--?config=([^:]*)(:.*)?", word):
            return match.group(1)
        if word in ("--config", "-config") and i + 1 < len(argv):
            return argv[i + 1].split(":")[0]
    return None


def _unknown_field(argv: list[str]) -> str:
    """Names the override that is no field of the config, and the nearest one that is."""
    path = _config_path(argv)
    known = list(config_fields(runpy.run_path(path)["get_config"]())) if path else []
    for word in argv:
        match = re.match(r"--?config\.([\w.]+)", word)
        if match is None or match.group(1) in known:
            continue
        name = match.group(1)
        hint = did_you_mean(name, known, "--config.{}")
        return (
            f"--config.{name} must be a field of the config, but there is none of that name.{hint}"
        )
    return "--config must define every field it is asked for."
