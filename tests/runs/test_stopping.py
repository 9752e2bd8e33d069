"""Signals: a safe point is waited for where there is something to save."""

import gc
import os
import signal
import time
import weakref

import pytest

from rf_limits.runs.cli import run_script
from rf_limits.runs.stopping import Stop, listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_with_nothing_to_save_ends_at_once(number):
    stop, said = Stop(), []
    with listening(stop, said.append):
        with pytest.raises(KeyboardInterrupt), stop.at_once():
            signal.raise_signal(number)
        assert said == []
        assert stop.requested()
        assert stop.exit_code == 128 + number


def test_a_run_with_something_to_save_ends_at_the_second_signal():
    stop, said = Stop(), []
    with listening(stop, said.append):
        with stop.at_once():
            pass
        signal.raise_signal(signal.SIGINT)
        assert stop.requested()
        assert len(said) == 1
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_that_only_saves_does_not_end_a_run_with_nothing_to_save():
    stop, said = Stop(saves_only=(signal.SIGTERM,)), []
    with listening(stop, said.append), stop.at_once():
        signal.raise_signal(signal.SIGTERM)
    assert not stop.requested()
    assert stop.save_requested()


class _Dies:
    """Something that weak references point to."""


def _in_a_weak_reference(number):
    dies = _Dies()
    held = weakref.ref(dies, lambda _: signal.raise_signal(number))
    del dies
    del held


def _in_the_garbage_collector(number):
    def callback(phase, info):
        if phase == "start":
            signal.raise_signal(number)

    gc.callbacks.append(callback)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(callback)


def _in_a_destructor(number):
    class Dying:
        def __del__(self):
            signal.raise_signal(number)

    Dying()


_IGNORING = (_in_a_weak_reference, _in_the_garbage_collector, _in_a_destructor)


@pytest.mark.parametrize("where", _IGNORING)
def test_a_signal_that_python_ignores_is_sent_again(where):
    """What is raised in there is printed, and the run went on."""

    def work():
        where(signal.SIGTERM)
        time.sleep(5.0)  # interrupted
        pytest.fail("it did not come")

    stop = Stop()
    with listening(stop, print), stop.at_once(), pytest.raises(KeyboardInterrupt):
        work()
    assert stop.signal == signal.SIGTERM


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


@pytest.mark.parametrize("where", _IGNORING)
def test_a_script_is_interrupted_where_python_ignores_it(where, capsys):
    """It went on to its end, and to exit code 0."""

    def main():
        where(signal.SIGTERM)
        time.sleep(5.0)
        return 0

    with pytest.raises(SystemExit) as stopped:
        run_script(main, ["scripts/some.py"])
    assert stopped.value.code == 143
    assert capsys.readouterr().err == "some.py: interrupted by SIGTERM.\n"
