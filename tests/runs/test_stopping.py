"""Signals: a safe point is waited for where there is something to save."""

import contextlib
import os
import signal
import time

import pytest

from rf_limits.runs.cli import run_script
from rf_limits.runs.stopping import Stop, listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_has_nothing_to_save_ends_at_once(number):
    stop, said = Stop(), []
    with listening(stop, said.append):
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            signal.raise_signal(number)
        assert said == []
        assert stop.requested()
        assert stop.exit_code == 128 + number


def test_what_has_something_to_save_waits_once():
    stop, said = Stop(), []
    with listening(stop, said.append):
        with stop.at_once():
            pass
        signal.raise_signal(signal.SIGINT)
        assert stop.requested()
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_who_only_saves_goes_on_while_there_is_nothing_to_save():
    stop, said = Stop(saves_only=(signal.SIGTERM,)), []
    with listening(stop, said.append), stop.at_once():
        signal.raise_signal(signal.SIGTERM)
    assert not stop.requested()
    assert stop.save_requested()


def test_what_would_be_lost_comes_again():
    """JAX's callback of the garbage collector ignores what is raised inside it."""

    def _xla_gc_callback():
        signal.raise_signal(signal.SIGINT)

    def work():
        _xla_gc_callback()
        time.sleep(5.0)  # interrupted
        pytest.fail("it did not come")

    stop = Stop()
    with listening(stop, print), stop.at_once(), pytest.raises(KeyboardInterrupt):
        work()
    assert stop.signal == signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_that_is_interrupted_before_work_says_so_in_a_line(number, capsys):
    """Ctrl-C printed the stack of whatever was under way."""

    def main():
        os.kill(os.getpid(), number)
        time.sleep(5.0)
        return 0

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped:
        run_script(main, ["scripts/some.py"])
    assert stopped.value.code == 128 + number
    assert capsys.readouterr().err == f"some.py: interrupted by {number.name}.\n"
    assert signal.getsignal(number) is before


def test_an_interruption_in_a_callback_of_the_garbage_collector_is_not_lost():
    """What is raised in there is printed and ignored, and the script went on to its end."""

    def _xla_gc_callback():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

    def main():
        with contextlib.suppress(KeyboardInterrupt):
            _xla_gc_callback()
        time.sleep(5.0)
        return 0

    with pytest.raises(SystemExit) as stopped:
        run_script(main, ["scripts/some.py"])
    assert stopped.value.code == 130
