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
