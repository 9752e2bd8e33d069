"""The defaults of studies of small differences between networks and linearizations."""

from rf_limits.studies.study import Study

POWERS_OF_FOUR = (16, 64, 256, 1024, 4096)


class SmallDifferences(Study):
    """A study in float64, in ten dimensions unless its own defaults say otherwise."""

    defaults = {"precision": "float64", "problem.dim": 10}
