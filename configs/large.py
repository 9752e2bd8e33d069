"""Random features and kernels on any number of samples: solved, certified, beside their theory.

Command:   python scripts/large.py --config=configs/large.py --workdir=results/large
Run time:  under 3 minutes on 2 free CPU cores (a larger n took 166 s).
Expected:  d = 20, n = 8000: risk 0.014 of 2000 RF, 0.0087 of the NNGP (theory: 0.013, 0.0086).

20,000 features, 1,000,000 samples: 9 iterations, risk 0.0055 (theory 0.0053), 9 minutes, 3.8 GiB:

    ... --config.methods="('random_features',)" --config.widths="(20_000,)" \
        --config.nums_train="(1_000_000,)" --config.seeds=1

The same on four devices: --config.mesh.data=2 --config.mesh.width=2
"""

from rf_limits import default_config


def get_config():
    return default_config("large")
