"""The two-layer student-teacher experiments of Chizat, Oyallon and Bach (2019).

Command:   python scripts/dynamics.py --config=configs/chizat.py --workdir=results/chizat
Run time:  under 5 minutes on 2 CPU cores; --config=configs/chizat.py:full, the paper's
           grid, takes hours.
Expected:  population loss 9e-5 at tau = 0.0063, 7e-3 at tau = 10.
"""

from rf_limits import default_config
from rf_limits.studies.chizat import Chizat


def get_config(variant=""):
    config = default_config("chizat")
    if variant == "full":  # the paper's grid
        config.update(Chizat.paper)
    return config
