"""Config files: Python files whose ``get_config()`` returns a config under construction."""

import importlib.machinery
import importlib.util
import os
import sys
import traceback
import warnings
from typing import Any, NamedTuple

from rf_limits.config.base import Config
from rf_limits.config.builder import Builder, builder_of
from rf_limits.config.kinds import shown
from rf_limits.errors import RequirementError, check

_MODULE = "config_file"  # name under which a file is loaded
_WANTED = "be a file whose get_config() returns a config, such as that of default_config()"


def load_entries(config_file: str | None, flag: str = "--config") -> None:
    """Loads a config file for the entries that it makes in tables of the package.

    Targets, activations, measurements and experiments of a user are there once the file is loaded
    (docs/extending.md): workers, which are processes of their own, load it again, and a report of
    an unfinished run does so if ``--own_config`` names the file.

    Args:
      config_file: its path, with the argument of ``get_config`` after a colon; None for no file.
      flag: by which the user named it.

    Raises:
      RequirementError: it cannot be loaded any more.
    """
    if config_file is not None:
        ConfigFile.parse(config_file, flag).run()


class ConfigFile(NamedTuple):
    """A config file as a flag names it: ``path.py``, or ``path.py:variant``.

    Attributes:
      path: of the file.
      arguments: what is passed to its ``get_config``: the variant, or nothing.
      flag: by which the user named it, for errors.
    """

    path: str
    arguments: tuple[str, ...] = ()
    flag: str = "--config"

    @classmethod
    def parse(cls, text: str, flag: str = "--config") -> "ConfigFile":
        """Reads the value of a flag; ``~`` is the user's home."""
        path, colon, variant = text.partition(":")
        return cls(os.path.expanduser(path), (variant,) if colon else (), flag)

    def __str__(self) -> str:
        """Returns the value of the flag."""
        return ":".join((self.path, *self.arguments))

    def absolute(self) -> "ConfigFile":
        """Returns the file as a process with another current folder finds it."""
        return self._replace(path=os.path.abspath(self.path))

    def load(self) -> Builder:
        """Runs the file and returns the config that its ``get_config`` returns.

        Raises:
          RequirementError: it cannot be loaded, or returns something else.
        """
        config = self.run()
        if isinstance(config, Config):
            config = builder_of(config)
        if not isinstance(config, Builder):
            text = f"must {_WANTED}, but received {shown(config)}."
            raise RequirementError(text, field=self.flag)
        return config

    def run(self) -> Any:
        """Runs the file and its ``get_config``; returns what that returns.

        What the file puts into tables of the package is there from now on.

        Raises:
          RequirementError: it cannot be loaded.
        """
        if os.path.isdir(self.path):
            raise RequirementError(f"{self.flag} must be a file, but {self.path!r} is a directory.")
        loader = importlib.machinery.SourceFileLoader(_MODULE, self.path)
        spec = importlib.util.spec_from_loader(_MODULE, loader)
        assert spec is not None
        module = sys.modules[_MODULE] = importlib.util.module_from_spec(spec)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loader.exec_module(module)
            requirement = "be a file that defines get_config()"
            check(hasattr(module, "get_config"), self.flag, requirement, self.path)
            return module.get_config(*self.arguments)
        except RequirementError as error:
            line = self._line(error)
            place = "" if line is None else f" ({self.path}, line {line})"
            raise RequirementError(f"{error}{place}") from error
        except Exception as error:
            raise RequirementError(self._mistake(error)) from error

    def _line(self, error: BaseException) -> int | None:
        """Returns the line of the file at which an error was raised, if it was raised there."""
        frames = traceback.extract_tb(error.__traceback__)
        return next((f.lineno for f in reversed(frames) if f.filename == self.path), None)

    def _mistake(self, error: Exception) -> str:
        if isinstance(error, OSError) and error.filename == self.path:
            received = f"{shown(self.path)} ({error.strerror})"
            return f"{self.flag} must be a file that can be read, but received {received}."
        line = self._line(error)
        where = "" if line is None else f", line {line}"
        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return f"{self.flag} must {_WANTED}, but {self.path!r}{where} raises {words}"
