"""Lines that a command prints about its results, with what they are for programs that listen."""

from typing import Literal

Level = Literal["note", "warning"]


class Remark(str):
    """A line about results, as it is printed.

    Args:
      text: the line, or what follows ``topic`` and a colon in it.
      topic: what needs attention, in capitals, such as ``"DIVERGED"``; empty for nothing.
      level: ``"warning"`` for what needs attention; by default for lines with a topic.

    Attributes:
      topic, level: the arguments.
    """

    topic: str
    level: Level

    def __new__(cls, text: str, topic: str = "", level: Level | None = None) -> "Remark":
        """Makes the line from its parts."""
        line = super().__new__(cls, f"{topic}: {text}" if topic else text)
        line.topic = topic
        line.level = level or ("warning" if topic else "note")
        return line
