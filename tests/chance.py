"""What chance allows in a random test: bounds with a stated rate of false alarms."""

from scipy import stats

FALSE_ALARM = 1e-6
"""Largest rate at which a correct program may fail a random test whose seed is not fixed."""


def allowed(trials, level):
    """Least and largest number of hits in ``trials`` independent ones of probability ``level``.

    Outside lie at most :data:`FALSE_ALARM`.
    """
    tail = 0.5 * FALSE_ALARM
    law = stats.binom(trials, level)
    return int(law.ppf(tail)), int(law.isf(tail))


def standard_errors(draws, comparisons=1):
    """How many standard errors a mean may lie from its expectation, on either side.

    With normal draws one of ``comparisons`` means lies beyond with probability
    :data:`FALSE_ALARM` at most: Student's t, and the union of their events.

    Args:
      draws: behind each mean and its standard error.
      comparisons: how many means, independent or not.
    """
    return float(stats.t(draws - 1).isf(0.5 * FALSE_ALARM / comparisons))


def share_within(draws, errors):
    """Probability that a mean of normal draws is within ``errors`` of its standard errors."""
    law = stats.t(draws - 1)
    return float(law.cdf(errors) - law.cdf(-errors))
