"""Networks of growing width over the infinite-width predictions, in time.

Command:   python scripts/dynamics.py --config=configs/ntk_curves.py --workdir=results/ntk_curves
Run time:  RUNTIME on 2 CPU cores.
Expected:  EXPECTED
"""

from rf_limits.experiments.dynamics.configs import ntk_curves_config


def get_config():
    return ntk_curves_config()
