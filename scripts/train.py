"""Trains networks beside everything that cannot learn features; writes tables and figures.

    python scripts/train.py --config=configs/quickstart.py --workdir=results/quickstart

Any field of the config can be overridden: --config.problem.dim=15
--config.model.widths="(32,128)". The fields are listed in rf_limits/experiments/defaults.py.
"""

from absl import flags
from ml_collections import config_flags

from rf_limits.runs.cli import run_script
from rf_limits.runs.session import run_in_workdir

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory for results; made if absent.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the results in workdir.")
_PLATFORM = flags.DEFINE_enum("platform", None, ["cpu", "gpu", "tpu"], "Device; default: best.")
flags.mark_flags_as_required(["config", "workdir"])


def main() -> int:
    """Runs the config in the work directory; returns the exit code."""
    return run_in_workdir(_CONFIG.value, _WORKDIR.value, _OVERWRITE.value, _PLATFORM.value)


if __name__ == "__main__":
    run_script(main)
