"""The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019).

Command:   python scripts/dynamics.py --config=configs/chizat.py --workdir=results/chizat
Run time:  under 5 minutes on 2 CPU cores; --config=configs/chizat.py:full, the paper's
           grid, takes hours.
Expected:  population loss 9e-5 at tau = 0.0063, 7e-3 at tau = 10.
"""

from rf_limits.experiments.dynamics.configs import chizat_config


def get_config(variant=""):
    return chizat_config(variant)
