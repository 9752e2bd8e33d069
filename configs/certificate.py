"""Many small networks that are certified to be below both lazy limits on average.

Command:   python scripts/train.py --config=configs/certificate.py --workdir=results/certificate
Run time:  one to three minutes on 2 CPU cores, most of it on step sizes.
Expected:  mean risk 5.1e-4 over 700 seeds, each below 2e-3, where R*(P) of P = 336 parameters is
           9.4e-3 and R*(n) of n = 512 samples 9.3e-3: two certificates at level 1e-3. Three seeds,
           as in configs/quickstart.py, certify nothing: --dry_run says how many it takes.
"""

from rf_limits import default_config


def get_config():
    config = default_config()
    config.problem.dim = 20
    config.problem.target = "single_neuron"
    config.data.num_train = 512
    config.data.num_test = 2  # risks are exact
    config.model.widths = (16,)
    config.model.lazy_scales = (0.1,)
    config.training.steps = 1000
    config.training.log_points = 2
    config.predictors.methods = ("network",)
    config.measure.max_degree = -1
    config.measure.num_probe = 16
    config.seeds = 700
    return config
