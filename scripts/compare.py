"""Gathers finished runs and sweeps into one table; draws finite against infinite width.

    python scripts/compare.py --workdirs=results/sweep,results/other --output=results/compared

Writes compared.parquet, compared_final.csv (the end of every run) and figures/ into --output.
"""

from absl import flags

from rf_limits.runs.cli import directories, run_script
from rf_limits.sweeps.compare_runs import compare

_WORKDIRS = flags.DEFINE_multi_string("workdirs", None, "Directories of runs or sweeps.")
_OUTPUT = flags.DEFINE_string("output", None, "Directory for the table and figures.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace an earlier comparison in output.")

if __name__ == "__main__":
    flags.mark_flags_as_required(["workdirs", "output"])
    run_script(
        lambda: compare(directories(_WORKDIRS.value), _OUTPUT.value, overwrite=_OVERWRITE.value)
    )
