"""One ReLU neuron in 20 dimensions: network, linearization, random features and kernels.

python scripts/train.py --config=configs/quickstart.py --workdir=results/quickstart
"""

from rf_limits.experiments.defaults import default_config


def get_config():
    config = default_config()
    config.training.steps = 1000
    return config
