"""The share of a training that is done: seconds, not steps."""

import pytest

from rf_limits.optimization.trainer import log_points
from rf_limits.runs.progress import SecondsLeft
from rf_limits.training.time_share import TimeShare


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def followed(step_seconds, measure_seconds, compile_seconds=3.0):
    """Shares and seconds said to be left, with those that are, of a training as it goes on."""
    clock = Clock()
    points = log_points(1000, 8)
    done, left = TimeShare(points[-1], len(points), clock=clock), SecondsLeft(clock)
    found, step = [], 0

    def told(share):
        found.append((clock.now, share, left(share)))

    for i, point in enumerate(points):
        while step < point:
            size = 1 if step == 0 else min(25, point - step)
            clock.now += size * step_seconds + (compile_seconds if step == 0 else 0.0)
            step += size
            told(done.stepped(size))
        clock.now += measure_seconds + (compile_seconds if i == 0 else 0.0)
        told(done.measurement())
    return [(now, share, said, clock.now - now) for now, share, said in found]


@pytest.mark.parametrize(
    ("step_seconds", "measure_seconds"), [(0.002, 60.0), (0.1, 0.01), (0.05, 5.0)]
)
def test_what_is_left_is_about_what_is(step_seconds, measure_seconds):
    """Minutes of exact risks at steps 0, 1, 3, 8, ... of 1000 were said to be a day of steps."""
    found = followed(step_seconds, measure_seconds)
    shares = [share for _, share, _, _ in found]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert max(shares[:-1]) < 1.0
    whole = found[-1][0]
    late = [(said, left) for now, _, said, left in found[:-1] if now > 0.5 * whole]
    assert late
    for said, left in late:
        assert said is None or said < 2.5 * left + 5.0
    for now, share, _, _ in found:
        if now > 0.5 * whole:
            assert share == pytest.approx(now / whole, abs=0.15)


def test_a_resumed_training_goes_on_from_its_place():
    clock = Clock()
    done = TimeShare(1000, 8, step=368, measured=7, clock=clock)
    for _ in range(2):
        clock.now += 10.0
        share = done.stepped(100)
    assert share == pytest.approx(0.568)  # no measurement yet: by steps
    clock.now += 10.0
    assert done.measurement() == pytest.approx((56.8 + 80.0) / 180.0)
