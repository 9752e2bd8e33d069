"""Does training stay lazy as the network grows? Exponents in N, by parameterization.

Command:   python scripts/dynamics.py --config=configs/lazy_width.py --workdir=results/lazy_width
Run time:  2 to 4 minutes on 2 CPU cores.
Expected:  NTK parameterization from N = 256 on: movement ~ N^-0.50, NTK drift ~ N^-0.82,
           linearization gap ~ N^-0.75 (relu); N^-0.98 and N^-0.91 (erf, which has no kink);
           mean field and muP: all constant.
"""

from rf_limits import default_config


def get_config():
    return default_config("lazy_width")
