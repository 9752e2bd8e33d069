"""What a run says may find nobody, no room or no letters: the run goes on, and ends well."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from rf_limits.runs.session import run_in_workdir
from rf_limits.runs.streams import Lasting, lasting_streams
from tests.in_process import ROOT
from tests.runs.one_figure import one_figure
from tests.runs.test_session import tiny_config


class Broken(io.StringIO):
    """A stream that takes so many writes."""

    def __init__(self, writes, error):
        super().__init__()
        self.left, self.error = writes, error

    def write(self, text):
        """Writes, or fails."""
        if self.left == 0:
            raise OSError(self.error, "no")
        self.left -= 1
        return super().write(text)


@pytest.mark.parametrize("error", [errno.EPIPE, errno.ENOSPC])
def test_a_run_outlives_its_reader(tmp_path, monkeypatch, error):
    stream = Broken(1, error)
    monkeypatch.setattr(sys, "stdout", stream)
    with lasting_streams(), one_figure():
        assert run_in_workdir(tiny_config(), tmp_path / "run", console=Console(width=80)) == 0
    assert sys.stdout is stream
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["status"] == "complete"
    assert stream.left == 0


def test_help_to_a_reader_that_leaves():
    """``train.py --help | head -1``: nothing on standard error, exit code 0."""
    command = [sys.executable, "scripts/train.py", "--help"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process.stderr:
        process.stdout.close()  # before anything is written
        assert process.stderr.read() == ""
    assert process.wait() == 0


def test_characters_that_an_encoding_lacks_become_question_marks():
    held = io.BytesIO()
    stream = Lasting(io.TextIOWrapper(held, encoding="ascii"))
    print("0.5\N{PLUS-MINUS SIGN}0.1", file=stream)
    stream.flush()
    assert held.getvalue() == b"0.5?0.1\n"
    Console(file=stream, width=80).print("\N{PLUS-MINUS SIGN}")
    stream.flush()


def test_buffered_text_is_lost_when_the_reader_is_gone():
    """The interpreter's own last flush finds nothing to complain of."""
    reading, writing = os.pipe()
    os.close(reading)
    inner = os.fdopen(writing, "w")
    stream = Lasting(inner)
    stream.write("text")
    stream.flush()
    stream.write("more")
    inner.close()  # flushes once more


def test_streams_that_are_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_streams():
        print("nobody")
    assert sys.stdout is None
