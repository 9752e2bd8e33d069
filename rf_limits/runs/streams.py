"""Standard output and error of a command: a reader may go away, and the run goes on."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol, TextIO, cast, runtime_checkable


@runtime_checkable
class TextSink(Protocol):
    """Takes text."""

    def write(self, text: str, /) -> int:
        """Writes text; returns the number of characters."""

    def flush(self) -> None:
        """Writes what is buffered."""


class Lasting:
    """A stream whose text is lost where it cannot be written, without an error.

    That is so where the reader of a pipe has gone away (``| head``) or the disk behind it is full.
    Characters that the stream's encoding lacks are written as question marks. Everything else is
    the stream's.

    Args:
      stream: open for writing.
    """

    def __init__(self, stream: TextSink):
        self._stream, self._gone = stream, False

    def __getattr__(self, name: str) -> Any:
        """Returns an attribute of the stream."""
        return getattr(self._stream, name)

    def _lose(self) -> None:
        """Sends all buffered and all further text nowhere."""
        self._gone = True
        with contextlib.suppress(OSError, ValueError):  # a stream without a file behind it
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)

    def write(self, text: str) -> int:
        """Writes text, or loses it."""
        if self._gone:
            return len(text)
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode(self.encoding, "replace").decode(self.encoding))
        except OSError:
            self._lose()
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered, or loses it."""
        try:
            self._stream.flush()
        except OSError:
            self._lose()


@contextlib.contextmanager
def lasting_streams() -> Iterator[None]:
    """Makes standard output and error last inside; what they buffer is written at the end."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        None if stream is None else cast(TextIO, Lasting(stream)) for stream in before
    )
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
