"""Runs every cell of a sweep: here, in several processes, or on a Slurm cluster.

    python scripts/launch.py --config=configs/sweep.py --workdir=results/sweep
    python scripts/launch.py status --workdir=results/sweep

The config carries the sweep, or --grid="problem.dim=(5,10)" does. The same command again runs
what is missing; --retry_failed what failed. docs/batch.md goes from one run to many machines.
"""

from rf_limits.sweeps.launch import run_launch_script

if __name__ == "__main__":
    run_launch_script()
