"""When and how fast does training leave the tangent regime? Five studies of lazy training.

    python scripts/dynamics.py --config=configs/lazy_width.py --workdir=results/lazy_width
    python scripts/dynamics.py --config=configs/lazy_scale.py --workdir=results/lazy_scale
    python scripts/dynamics.py --config=configs/ntk_curves.py --workdir=results/ntk_curves
    python scripts/dynamics.py --config=configs/chizat.py --workdir=results/chizat
    python scripts/dynamics.py --config=configs/single_neuron.py --workdir=results/single_neuron

Any field of the config can be overridden: --config.model.widths="(64,256)" --config.seeds=20. The
fields are listed in docs/fields.md, the results in docs/dynamics.md.
An interrupted run goes on from its finished parts when started again.
"""

from rf_limits.runs.script import run_config_script

if __name__ == "__main__":
    run_config_script("dynamics")
