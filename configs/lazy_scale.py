"""Where does feature learning end? The crossover in the lazy scale, by width and samples.

Command:   python scripts/dynamics.py --config=configs/lazy_scale.py --workdir=results/lazy_scale
Run time:  RUNTIME on 2 CPU cores.
Expected:  EXPECTED
"""

from rf_limits.experiments.dynamics.configs import lazy_scale_config


def get_config():
    return lazy_scale_config()
