"""One ReLU neuron learned by one neuron, by many neurons and by a lazy network.

Command:   python scripts/dynamics.py --config=configs/single_neuron.py
           --workdir=results/single_neuron
Run time:  RUNTIME on 2 CPU cores.
Expected:  EXPECTED
"""

from rf_limits.experiments.dynamics.configs import single_neuron_config


def get_config():
    return single_neuron_config()
