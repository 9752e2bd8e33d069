"""Runs that draw one small figure: to draw all of them takes most of the time of a small run."""

import contextlib

import pytest

from rf_limits.figures.style import new_figure
from rf_limits.studies.training import Training


def empty(metrics):
    """An empty figure."""
    return new_figure(1, 1.0, 1.0)[0]


def drawings(config, metrics):
    """In place of :meth:`rf_limits.studies.training.Training.drawings`."""
    return {"risk_against_width": empty}


@contextlib.contextmanager
def one_figure():
    """Training runs inside draw that figure only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "drawings", drawings)
        yield
