"""Why training behaves like random features: both on the same samples, against width.

Command:   python scripts/power.py --config=configs/coupling.py --workdir=results/coupling
Run time:  XXX
Expected:  XXX
"""

from rf_limits.experiments.power.configs import coupling_config


def get_config():
    return coupling_config()
