"""Does training stay lazy as the network grows? Exponents in N, four parameterizations.

Command:   python scripts/dynamics.py --config=configs/lazy_width.py --workdir=results/lazy_width
Run time:  RUNTIME on 2 CPU cores.
Expected:  EXPECTED
"""

from rf_limits.experiments.dynamics.configs import lazy_width_config


def get_config():
    return lazy_width_config()
