"""What n buys: learning curves of every learner beside kernel theory and the lazy limit.

Command:   python scripts/samples.py --config=configs/sample_complexity.py --workdir=results/samples
Run time:  4 to 6 minutes on 2 CPU cores.
Expected:  d = 20, n = 1024: relative risk 9e-4 at lazy scale 0.1, 0.045 at 10; NNGP 0.023.
"""

from rf_limits import default_config


def get_config():
    return default_config("sample_complexity")
