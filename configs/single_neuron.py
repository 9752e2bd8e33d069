"""One ReLU neuron learned by one neuron, by many neurons and by a lazy network.

Command:   python scripts/dynamics.py --config=configs/single_neuron.py
           --workdir=results/single_neuron
Run time:  about 3 minutes on 2 CPU cores.
Expected:  one neuron: 7 steps at every d; 64 neurons: 16 (d = 5) to 81 (d = 40);
           the lazy network does not get there.
"""

from rf_limits import default_config


def get_config():
    return default_config("single_neuron")
