"""Networks of growing width over the infinite-width predictions, in time.

Command:   python scripts/dynamics.py --config=configs/ntk_curves.py --workdir=results/ntk_curves
Run time:  4 to 10 minutes on 2 CPU cores.
Expected:  distance to infinite width ~ N^-0.45 (NTK), N^-0.50 (NNGP); on the population
           within 0.0083 E f*^2 of the exact theory at N = 512.
"""

from rf_limits import default_config


def get_config():
    return default_config("ntk_curves")
