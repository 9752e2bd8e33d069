"""Standard output and error of a command: who reads them may go away, and the run goes on."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class Lasting(io.TextIOBase):
    """A stream whose text is lost where it cannot be written, without an error.

    That is so where the reader of a pipe has gone away (``| head``) or the disk behind it is full.
    Characters that the stream's encoding lacks are written as question marks.

    Args:
      stream: open for writing.
    """

    def __init__(self, stream: io.TextIOBase):
        self._stream, self._gone = stream, False

    def _lose(self) -> None:
        """Lets everything that is still held and still comes go nowhere."""
        self._gone = True
        with contextlib.suppress(OSError, ValueError):  # a stream without a file behind it
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)

    def write(self, text: str) -> int:
        """Writes text, or loses it."""
        if self._gone:
            return len(text)
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            return self.write(text.encode(encoding, "replace").decode(encoding))
        except OSError:
            self._lose()
        return len(text)

    def flush(self) -> None:
        """Writes what is held, or loses it."""
        try:
            self._stream.flush()
        except OSError:
            self._lose()

    @property
    def encoding(self) -> str | None:
        """That of the stream."""
        return self._stream.encoding

    @property
    def errors(self) -> str | None:
        """What the stream does with characters that it lacks."""
        return self._stream.errors

    @property
    def buffer(self) -> Any:
        """What takes the stream's bytes."""
        return self._stream.buffer

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True


@contextlib.contextmanager
def lasting_streams() -> Iterator[None]:
    """Makes standard output and error last inside; what they hold is written at the end."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (None if one is None else Lasting(one) for one in before)
    try:
        yield
    finally:
        for one in (sys.stdout, sys.stderr):
            if one is not None:
                one.flush()
        sys.stdout, sys.stderr = before
