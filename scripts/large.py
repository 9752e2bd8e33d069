"""Regression on random features and kernels of any size: streamed, sharded, certified.

    python scripts/large.py --config=configs/large.py --workdir=results/large

Any field of the config can be overridden: --config.widths="(20_000,)" --config.mesh.data=4. The
fields are listed in docs/fields.md. What cannot fit in memory is refused
before it starts, with the largest size that would.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("large")
