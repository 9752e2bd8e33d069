"""Runs that draw one small figure: to draw all of them takes most of the time of a small run."""

import contextlib

import pytest

from rf_limits.figures import training


def draw(metrics):
    """In place of :func:`rf_limits.figures.training.draw`."""
    with training.style():
        return {"risk_against_width": training.new_figure(1, 1.0, 1.0)[0]}


@contextlib.contextmanager
def one_figure():
    """Training runs inside draw that figure only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "draw", draw)
        yield
