"""Polynomials learned by SGD in two regimes and by features; a ReLU neuron for contrast.

Command:   python scripts/power.py --config=configs/polynomials.py --workdir=results/polynomials
Run time:  XXX
Expected:  XXX
"""

from rf_limits.experiments.power.configs import polynomials_config


def get_config():
    return polynomials_config()
