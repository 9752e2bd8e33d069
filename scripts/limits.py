"""How well can fixed features do, and what does one ReLU neuron cost them? All exact.

    python scripts/limits.py --config=configs/approximation.py --workdir=results/limits
    python scripts/limits.py --config=configs/hardness.py --workdir=results/hardness

Any field of the config can be overridden: --config.dims="(5,10)" --config.seeds=5. The fields
are listed in docs/fields.md.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("limits")
