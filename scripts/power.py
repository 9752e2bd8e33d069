"""What can random features learn, and why do wide networks train like them? Two studies.

    python scripts/power.py --config=configs/polynomials.py --workdir=results/polynomials
    python scripts/power.py --config=configs/coupling.py --workdir=results/coupling

Any field of the config can be overridden: --config.model.widths="(64,256)" --config.seeds=20. The
fields are listed in docs/fields.md, the results in docs/power.md.
An interrupted run goes on from its finished parts when started again.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("power")
