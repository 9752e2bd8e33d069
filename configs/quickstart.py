"""One ReLU neuron in 20 dimensions: network, linearization, random features and kernels.

Command:   python scripts/train.py --config=configs/quickstart.py --workdir=results/quickstart
Run time:  about 60 s on 2 CPU cores, compilation included (docs/getting-started.md).
Expected:  risk of the network at N = 1024: 2.5e-3 at lazy scale 0.1, 2.5e-2 at lazy scale 10,
           where its linearization has 2.5e-2 too; weight movement 0.27 and 0.0045.
"""

from rf_limits import default_config


def get_config():
    config = default_config()
    config.problem.dim = 20
    config.problem.target = "single_neuron"
    config.data.num_train = 512
    config.model.widths = (16, 128, 1024)
    config.model.lazy_scales = (0.1, 1.0, 10.0)
    config.training.steps = 1000
    config.training.log_points = 8
    config.seeds = 3
    return config
