"""What a command prints, as it is: names of files and targets may look like markup."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from rf_limits.remarks import Remark
from rf_limits.runs.events import Tell, no_events
from rf_limits.table import Table

_WIDEST = 10_000  # columns


def say(console: Console, text: str) -> None:
    """Prints lines of text, without markup, colours, pictures or breaks of the console's own."""
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_table(console: Console, printed: Table) -> None:
    """Prints a table; no entry is cut short where the output is no terminal."""
    table = _rich_table(printed, console.width)
    width = None if console.is_terminal else max(console.width, _width_of(table, console))
    console.print(table, width=width)


def _width_of(table: RichTable, console: Console) -> int:
    """Returns the width at which no entry of a table is cut short."""
    return Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum


def _rich_table(printed: Table, width: int) -> RichTable:
    title, columns, rows = printed
    table = RichTable(
        title=Text(title),
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, int(width >= 90)),
    )
    for name in columns:
        table.add_column(Text(name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def last_line(text: str, otherwise: str = "") -> str:
    """Returns the last line of a text that is not blank; ``otherwise`` where there is none."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else otherwise


class Log:
    """Prints lines for people, and tells programs about them (docs/live.md).

    Args:
      console: where to print.
      tell: called with events.
    """

    def __init__(self, console: Console, tell: Tell = no_events):
        self.console, self.tell = console, tell

    def say(self, text: str) -> None:
        """Prints a line that programs are not told."""
        say(self.console, text)

    def note(self, text: str) -> None:
        """Prints a line and tells it as a note."""
        self.remark(Remark(text))

    def warn(self, text: str) -> None:
        """Prints a line about what needs attention and tells it as a warning."""
        self.remark(Remark(text, level="warning"))

    def interrupted(self, again: str, command: str, code: int, advice: str = "") -> None:
        """Says how an interrupted command goes on.

        Args:
          again: what the same command does.
          command: the command.
          code: exit code, 128 + the number of the signal.
          advice: how the command line is to differ.
        """
        self.say(f"Interrupted; {advice}the same command {again}: {command}")
        self.tell("stopped", signal=code - 128, again=again, resume=command)

    def remark(self, line: str) -> None:
        """Prints a line and tells it at its level; a text that is no remark as a note."""
        self.say(line)
        self.tell(line.level if isinstance(line, Remark) else "note", text=str(line))
