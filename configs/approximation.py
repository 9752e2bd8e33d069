"""How well can fixed features do at one ReLU neuron? Best risks of RF and NT, and the bound.

Command:   python scripts/limits.py --config=configs/approximation.py --workdir=results/limits
Run time:  under 2 minutes on 2 CPU cores.
Expected:  d = 20, 1024 random features: risk 0.0124, lazy limit 0.0089.
"""

from rf_limits import default_config


def get_config():
    return default_config("approximation")
