"""The flag ``--config=FILE`` with its overrides ``--config.field=value``, beside flags of absl.

Overrides are taken off the command line before absl reads it. The last of several for one field
wins. A text is read as the field's type asks: ``--config.data.seed=None`` is None, and
``--config.model.widths="(32,128)"`` a tuple.
"""

import re
from typing import NamedTuple

from absl import flags

from rf_limits.config.base import Field, UnknownFieldError
from rf_limits.config.builder import Builder, frozen
from rf_limits.config.files import ConfigFile
from rf_limits.errors import RequirementError

NAME = "config"
_OVERRIDE = re.compile(r"--?(no)?config\.([^=]*)(?:=(.*))?", re.DOTALL)
_VALUE = re.compile(r"[^-]|-\.?\d")


class Override(NamedTuple):
    """A field and the text that its value is read from."""

    name: str
    text: str


class ConfigFlag:
    """The flag ``--config`` of a script.

    Attributes:
      value: the config, with overrides; None before :meth:`load`, and where no file was given.
    """

    def __init__(self) -> None:
        flags.DEFINE_string(NAME, None, "Config file, as configs/quickstart.py.")
        self.value: Builder | None = None
        self._overrides: list[Override] = []

    def take(self, words: list[str]) -> list[str]:
        """Takes overrides off a command line, and returns what is left of it.

        Raises:
          RequirementError: ``--noconfig.field`` with a value.
        """
        left, waiting = [], list(words)
        while waiting and waiting[0] != "--":
            word = waiting.pop(0)
            match = _OVERRIDE.fullmatch(word)
            if match is None:
                left.append(word)
                continue
            negated, name, text = match.groups()
            if negated and text is not None:
                raise RequirementError(f"--noconfig.{name} must be given without a value.")
            if text is None and not negated and waiting and _VALUE.match(waiting[0]):
                text = waiting.pop(0)  # --config.problem.dim 15
            if text is None:
                text = "False" if negated else "True"
            self._overrides.append(Override(name, text))
        return left + waiting

    def file(self) -> ConfigFile | None:
        """Returns the file that was given, once flags are read."""
        text = flags.FLAGS[NAME].value
        return None if text is None else ConfigFile.parse(text)

    def load(self) -> None:
        """Loads the file and assigns the overrides.

        Raises:
          RequirementError: the file cannot be used, there is no such field, or it cannot have
            such a value; overrides without a file.
        """
        file = self.file()
        if file is None:
            if self._overrides:
                name = self._overrides[0].name
                raise RequirementError(f"--config.{name} must come with --config, a config file.")
            return
        self.value = file.load()
        for name, text in self._overrides:
            try:
                self.value.read(name, text)
            except RequirementError as error:
                text = error.text
                if isinstance(error, UnknownFieldError):
                    text = text.replace("Did you mean ", "Did you mean --config.")
                raise RequirementError(text, field=f"--config.{error.field}") from error

    def help(self, words: list[str]) -> list[str]:
        """Returns the lines of ``--help`` on the fields of the config that ``words`` name."""
        files = [word.partition("=")[2] for word in words if word.lstrip("-").startswith("config=")]
        if not files:
            return []
        return [_help(field) for field in frozen(ConfigFile.parse(files[-1]).load()).options()]


def _help(field: Field) -> str:
    unit = f" [{field.unit}]" if field.unit else ""
    return f"  --config.{field.name}: {field.meaning}{unit}; {field.values} (here {field.value!r})"
