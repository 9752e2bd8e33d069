"""What a run tells while it goes on: nothing, or a JSON object a line (docs/live.md)."""

import io
import json
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from rf_limits.errors import RequirementError
from rf_limits.runs.store import plain

EVENTS = (
    "start",
    "note",
    "warning",
    "progress",
    "cell",
    "measurement",
    "saved",
    "stopped",
    "end",
)


@runtime_checkable
class Tell(Protocol):
    """Called with the name of an event and its fields."""

    def __call__(self, event: str, **fields: Any) -> None:
        """Tells that ``event`` happened."""


def no_events(event: str, **fields: Any) -> None:
    """Tells nothing."""


def to_all(*listeners: Tell) -> Tell:
    """Tells every one of them."""

    def tell(event: str, **fields: Any) -> None:
        for one in listeners:
            one(event, **fields)

    return tell


def tagged(tell: Tell, **more: Any) -> Tell:
    """The same with more fields."""
    return lambda event, **fields: tell(event, **more, **fields)


def failure(error: BaseException) -> dict[str, Any]:
    """Fields of the ``end`` of what an error ended."""
    status = "refused" if isinstance(error, RequirementError) else "failed"
    return {"status": status, "error": f"{type(error).__name__}: {error}", "paths": []}


class JsonLines:
    """Writes every event as a JSON object in a line of its own, at once.

    A reader that has gone away stops the stream, not the run.

    Args:
      stream: open for writing.
    """

    def __init__(self, stream: io.TextIOBase):
        self._stream: io.TextIOBase | None = stream

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
