"""The user's config file in workers and reports: its entries in tables of the package are there.

Targets, activations, measurements and experiments of one's own are entries that a config file makes
when it is loaded (docs/extending.md). Workers are processes of their own, and load it again; a
report of an unfinished run does so where it is asked to.
"""

import importlib.machinery
import importlib.util
import os
import sys
import warnings

from rf_limits.errors import RequirementError

_MODULE = "own_config"


def absolute(config_file: str) -> str:
    """``"config.py:variant"`` as a process with another current folder finds it."""
    path, colon, variant = config_file.partition(":")
    return os.path.abspath(path) + colon + variant


def load(config_file: str | None, flag: str = "--config") -> None:
    """Loads a config file as the command that starts a run does; its config is not looked at.

    Args:
      config_file: its path, with what is passed to its ``get_config`` after a colon; None for none.
      flag: by which the user named it.

    Raises:
      RequirementError: it cannot be loaded any more.
    """
    if config_file is None:
        return
    path, colon, variant = config_file.partition(":")
    path = os.path.expanduser(path)
    loader = importlib.machinery.SourceFileLoader(_MODULE, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(_MODULE, loader))
    sys.modules[_MODULE] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the command that started the worker has shown them
            loader.exec_module(module)
            module.get_config(*([variant] if colon else []))
    except Exception as error:
        raise RequirementError(
            f"{flag} must be a file that can be loaded here too, but {path} raises "
            f"{type(error).__name__}: {error}"
        ) from error
