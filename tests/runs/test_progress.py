"""Progress: seconds left, lines at a sensible cadence, events."""

import io

import pytest
from rich.console import Console

from rf_limits.runs.progress import Lines, SecondsLeft, counted, short_time


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_seconds_left_at_constant_speed():
    clock = Clock()
    left = SecondsLeft(clock)
    for second in range(1, 200):
        clock.now = float(second)
        assert left(second / 1000.0) == pytest.approx(1000.0 - second)


def test_work_before_a_resume_does_not_count_as_speed():
    """A run goes on at 60%: after a while only the speed of this process counts."""
    clock = Clock()
    left = SecondsLeft(clock)
    found = {}
    for second in range(1, 101):
        clock.now = float(second)
        found[second] = left(0.6 + second / 1000.0)
    assert found[1] < 10.0  # 60% in a second, it seems
    assert found[100] == pytest.approx(300.0)


def test_no_time_is_predicted_without_progress():
    clock = Clock()
    left = SecondsLeft(clock)
    assert left(0.0) is None
    clock.now = 10.0
    assert left(0.0) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.1, "1 s"),
        (8.4, "8 s"),
        (99.0, "99 s"),
        (150.0, "2 min"),
        (3540.0, "59 min"),
        (3600.0 * 2.5, "2 h 30 min"),
        (3600.0 * 28, "1 d 4 h"),
    ],
)
def test_times_in_words(seconds, words):
    assert short_time(seconds) == words


def test_a_line_per_stage_and_one_every_half_minute():
    clock, text, told = Clock(), io.StringIO(), []
    report = Lines(Console(file=text, width=100), lambda event, **f: told.append((event, f)), clock)
    for tenth in range(1200):  # two minutes, two stages
        clock.now = 0.1 * tenth
        report("width 8" if tenth < 600 else "width 32", tenth / 1200.0)
    lines = text.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0] == "[   0.0 s,   0%] width 8"
    assert lines[1] == "[  30.0 s,  25%, 90 s left] width 8"
    assert [line.split("] ")[1] for line in lines] == ["width 8", "width 8", "width 32", "width 32"]
    assert {event for event, _ in told} == {"progress"}
    assert 110 <= len(told) <= 125
    assert told[1][1] == {"stage": "width 8", "fraction": 0.0083, "elapsed": 1.0, "left": 119.0}


def test_iterations_of_a_solve_are_one_stage():
    clock, text = Clock(), io.StringIO()
    report = Lines(Console(file=text, width=100), clock=clock)
    for second in range(70):
        clock.now = float(second)
        report(f"NTK, seed 0: iteration {second}, residual 1.0e-03", second / 70.0)
    lines = text.getvalue().splitlines()
    assert [line.split("iteration ")[1].split(",")[0] for line in lines] == ["0", "30", "60"]


def test_a_terminal_has_a_bar():
    from rf_limits.runs.progress import progress

    text = io.StringIO()
    with progress(Console(file=text, force_terminal=True, width=100)) as report:
        report("width 8", 0.5)
    assert "width 8" in text.getvalue()
    assert "left" in text.getvalue()


def test_no_time_is_predicted_while_a_young_run_compiles():
    """A quarter in 30 s, then a minute of compiling; an old run that is slow is another matter."""
    clock = Clock()
    left = SecondsLeft(clock)
    for second in range(1, 31):
        clock.now = float(second)
        left(second / 120.0)
    for second in range(31, 91):
        clock.now = float(second)
        found = left(0.25 + second * 1e-6)
        assert found is None or found < 10.0 * 0.75 / 0.25 * second
    assert found is None
    for second in range(91, 1500):
        clock.now = float(second)
        found = left(0.25 + second * 1e-5)
    assert found == pytest.approx(0.735 / 1e-5, rel=0.01)


def test_a_line_in_a_pipe_is_one_line():
    text = io.StringIO()
    Lines(Console(file=text, width=20))("x" * 100, 0.0)
    assert text.getvalue().splitlines() == [f"[   0.0 s,   0%] {'x' * 100}"]


def test_counted():
    assert [counted(n, "part") for n in (0, 1, 2)] == ["0 parts", "1 part", "2 parts"]
