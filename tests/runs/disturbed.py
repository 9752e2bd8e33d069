"""Runs in processes of their own, which tests kill, signal, and starve of disk."""

import multiprocessing
import os
import pathlib
import resource
import signal
import time
import traceback

from tests.runs.one_figure import one_figure

ROOT = pathlib.Path(__file__).parents[2]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "rf_limits.runs.session",
        "rf_limits.figures.training",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_pdf",
        "matplotlib.backends.backend_svg",
        "pyarrow.parquet",
        "rf_limits.sweeps.launch",
        "tests.in_process",
        "tests.runs.disturbed",
    ]
)
LOG = "log.txt"


def keep_every_program():
    """In a process of this kind: tests carry out the same config many times."""
    import jax

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _carry_out(config, workdir, log, largest_file):
    from rich.console import Console

    from rf_limits.errors import RequirementError
    from rf_limits.runs.files import StorageError
    from rf_limits.runs.session import run_in_workdir

    keep_every_program()
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error of the write, not a death
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(os.dup(descriptor), "w", buffering=1) as file:
        try:
            with one_figure():
                code = run_in_workdir(
                    config, workdir, console=Console(file=file, width=200), save_every=0.0
                )
        except (RequirementError, StorageError) as error:
            print(type(error).__name__, error, file=file)
            code = 2
    os._exit(code)


def started(config, workdir, log, largest_file=None):
    """A process that runs ``config`` in ``workdir``, saving whenever it can."""
    process = CONTEXT.Process(target=_carry_out, args=(config, workdir, log, largest_file))
    process.start()
    return process


def finished(config, workdir, log, **options):
    """The exit code of such a process."""
    process = started(config, workdir, log, **options)
    process.join()
    return process.exitcode


def _answered(answer, function, arguments):
    try:
        found = (True, function(*arguments))
    except BaseException:
        found = (False, traceback.format_exc())
    answer.send(found)
    answer.close()
    os._exit(0)


def in_child(function, *arguments):
    """What ``function(*arguments)`` returns in a process that has imported, and nothing else.

    JAX has chosen no device there. An exception fails the test with its traceback.

    Args:
      function: of a module that can be imported.
      arguments: of it, to be pickled as its result is.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answered, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        good, found = ours.recv()
    except EOFError:
        good, found = False, "it ended without an answer"
    process.join()
    assert good, found
    return found


def wait_for(condition, seconds=60.0):
    """Waits until ``condition()``; whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
