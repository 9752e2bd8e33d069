"""How many samples does each learner need? Kernels, random features and networks beside theory.

    python scripts/samples.py --config=configs/sample_complexity.py --workdir=results/samples

Any field of the config can be overridden: --config.dims="(10,25)" --config.nums_train="(16,1024)".
The fields are listed in docs/fields.md. An interrupted run goes on from
its finished parts when started again.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("samples")
