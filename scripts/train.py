"""Trains networks beside everything that cannot learn features; writes tables and figures.

    python scripts/train.py --config=configs/quickstart.py --workdir=results/quickstart

Any field of the config can be overridden: --config.problem.dim=15
--config.model.widths="(32,128)". The fields are listed in docs/fields.md.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("train")
