"""Lazy scale, dimension and noise: finite-width networks over their infinite-width limits.

Command:   python scripts/launch.py --config=configs/sweep.py --workdir=results/sweep
           python scripts/compare.py --workdirs=results/sweep --output=results/sweep_compared
Run time:  about 3 minutes on 2 CPU cores; 8 cells in 2 groups that train together.
Expected:  d = 10, without noise, N = 256: relative risk 1.4e-3 at lazy scale 0.1 and 0.028 at 10,
           over 0.020 of the converged NTK.
"""

from rf_limits import default_config
from rf_limits.sweeps import sweep


def get_config():
    config = default_config()
    config.data.num_train = 256
    config.model.widths = (16, 64, 256)
    config.training.steps = 500
    config.seeds = 3
    config.sweep = sweep(
        grid={
            "problem.dim": (5, 10),
            "model.lazy_scales": ((0.1,), (10.0,)),
            "problem.noise": (0.0, 0.2),
        }
    )
    return config
