"""Where does feature learning end? The crossover in the lazy scale, by width and samples.

Command:   python scripts/dynamics.py --config=configs/lazy_scale.py --workdir=results/lazy_scale
Run time:  under 3 minutes on 2 CPU cores.
Expected:  movement and drift fall below 0.1 at alpha ~ N^-0.51 n^0.29 and N^-0.55 n^0.32.
"""

from rf_limits import default_config


def get_config():
    return default_config("lazy_scale")
