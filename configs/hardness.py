"""What does one ReLU neuron cost fixed features? The paper's setting: |w*| = d^2, risk 1/50.

Command:   python scripts/limits.py --config=configs/hardness.py --workdir=results/hardness
Run time:  3 to 10 minutes on 2 CPU cores.
Expected:  d = 10 without bias: 10^11.8 features, r max|u_i| = 10^12.9; one neuron: 14 steps.
"""

from rf_limits import default_config


def get_config():
    return default_config("hardness")
