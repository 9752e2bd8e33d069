"""Writes one self-contained HTML page about a run, a sweep or several.

    python scripts/report.py --workdir=results/quickstart
    python scripts/report.py --workdir=results/sweep,results/other --output=report.html

The page opens from disk, without network (docs/report.md). Default --output: report.html in the
first work directory. Unfinished runs with a target or the like of your own need your config file:
--own_config=mine.py, or --own_config=mine.py:variant.
"""

from absl import flags

from rf_limits.config.files import load_entries
from rf_limits.report.page import report
from rf_limits.report.sources import OWN_CONFIG
from rf_limits.runs.cli import directories, run_script

_WORKDIR = flags.DEFINE_multi_string("workdir", None, "Directories of runs or sweeps.")
_OUTPUT = flags.DEFINE_string("output", None, "The page; default: report.html in workdir.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace an existing page.")
_OWN = flags.DEFINE_string("own_config", None, "Config file to load first, for its own entries.")


def _main() -> int:
    load_entries(_OWN.value, OWN_CONFIG)
    return report(directories(_WORKDIR.value), _OUTPUT.value, overwrite=_OVERWRITE.value)


if __name__ == "__main__":
    flags.mark_flags_as_required(["workdir"])
    run_script(_main)
