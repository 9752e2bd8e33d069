"""Placeholder."""

from rf_limits.experiments.large.configs import large_config


def get_config():
    return large_config()
