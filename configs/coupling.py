"""Why training behaves like random features: both on the same samples, against width.

Command:   python scripts/power.py --config=configs/coupling.py --workdir=results/coupling
Run time:  about 3 minutes on 2 CPU cores.
Expected:  distance to random features ~ N^-0.78 (hidden layer), N^-0.98 (all layers from u = 0).
"""

from rf_limits import default_config


def get_config():
    return default_config("coupling")
