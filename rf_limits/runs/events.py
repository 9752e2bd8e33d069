"""Events of a run for programs that listen: none, or a JSON object a line (docs/live.md)."""

import json
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from rf_limits.errors import RequirementError
from rf_limits.runs.directory import plain
from rf_limits.runs.streams import TextSink


@runtime_checkable
class Tell(Protocol):
    """Called with the name of an event and its fields."""

    def __call__(self, event: str, **fields: Any) -> None:
        """Takes an event."""


def no_events(event: str, **fields: Any) -> None:
    """Ignores every event."""


def to_all(*listeners: Tell) -> Tell:
    """Returns a listener that passes every event on to all of these."""

    def tell(event: str, **fields: Any) -> None:
        for listener in listeners:
            listener(event, **fields)

    return tell


def tagged(tell: Tell, **more: Any) -> Tell:
    """Returns a listener that passes every event on with more fields."""
    return lambda event, **fields: tell(event, **more, **fields)


def failure(error: BaseException) -> dict[str, Any]:
    """Returns the fields of the event ``end`` of a command that an error ended."""
    status = "refused" if isinstance(error, RequirementError) else "failed"
    return {"status": status, "error": f"{type(error).__name__}: {error}", "paths": []}


def tell_progress(
    tell: Tell, stage: str, fraction: float, elapsed: float, left: float | None
) -> None:
    """Tells that a share of the work is done.

    Args:
      tell: called with the event.
      stage: what is under way.
      fraction: share of all work that is done.
      elapsed: seconds so far.
      left: about the seconds that are left, if known.
    """
    seconds = {"elapsed": round(elapsed, 3), "left": None if left is None else round(left, 1)}
    tell("progress", stage=stage, fraction=round(fraction, 4), **seconds)


class JsonLines:
    """Writes every event as a JSON object in a line of its own, at once.

    A reader that has gone away stops the stream, not the run.

    Args:
      stream: open for writing.
    """

    def __init__(self, stream: TextSink):
        self._stream: TextSink | None = stream

    def __call__(self, event: str, **fields: Any) -> None:
        """Writes one line: time (UTC, ISO 8601), event, and its fields."""
        if self._stream is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **plain(fields)}, allow_nan=False)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except RuntimeError:  # from the handler of a signal that came while a line was written
            return
        except (OSError, ValueError):  # the other end is closed
            self._stream = None
