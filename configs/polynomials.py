"""Polynomials learned by SGD in two regimes and by features; a ReLU neuron for contrast.

Command:   python scripts/power.py --config=configs/polynomials.py --workdir=results/polynomials
Run time:  4 to 8 minutes on 2 CPU cores.
Expected:  steps to relative risk 0.1, hidden layer: 13 (degree 1), 193 (degree 2), 46 (neuron);
           degrees 3 and 4 are not reached in 4000.
"""

from rf_limits import default_config


def get_config():
    return default_config("polynomials")
