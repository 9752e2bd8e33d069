"""scripts/*.py in this process: exit code and output as a shell sees them, in milliseconds."""

import contextlib
import io
import pathlib
import runpy
import sys
from typing import NamedTuple

import jax
import pytest
import submitit  # noqa: F401  (it closes the streams of logging, not those that sys has then)
from absl import flags, logging

ROOT = pathlib.Path(__file__).parents[1]


class Answer(NamedTuple):
    """What a script answered: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@contextlib.contextmanager
def _own_flags():
    """Flags that are defined inside are forgotten afterwards."""
    before = set(flags.FLAGS)
    try:
        yield
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()


@contextlib.contextmanager
def _own_settings(columns):
    """What is set inside of JAX, of the environment and of logging is put back afterwards."""
    before, verbosity = dict(jax.config.values), logging.get_verbosity()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(columns))
            yield
    finally:
        for name, value in dict(jax.config.values).items():
            if before[name] != value:
                jax.config.update(name, before[name])
        logging.set_verbosity(verbosity)


def run(script, *arguments, columns=80):
    """The answer of ``scripts/<script>.py`` to a command line; exceptions go through.

    Args:
      script: name of the script.
      arguments: of its command line.
      columns: width of what it prints.
    """
    path = str(ROOT / "scripts" / f"{script}.py")
    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = [path, *map(str, arguments)]
    try:
        with (
            _own_flags(),
            _own_settings(columns),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            runpy.run_path(path, run_name="__main__")
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        return Answer(code, out.getvalue(), err.getvalue())
    finally:
        sys.argv = argv
    return Answer(0, out.getvalue(), err.getvalue())
