"""The committed results again from nothing, or a check of new ones against them.

    python scripts/results.py --variant=quick --output=results/again
    python scripts/results.py check --variant=quick --output=results/again

Without --output the committed tables themselves are replaced: results/reference (full, 25 to 60
minutes on 2 cores) or results/quick. --only=quickstart,hardness for some of the experiments. The
commands are in rf_limits/runs/recipes.py, the tolerances in rf_limits/runs/reproduced.py.
"""

from absl import flags

from rf_limits.runs.cli import run_script
from rf_limits.runs.recipes import make
from rf_limits.runs.reproduced import check_results

_VARIANT = flags.DEFINE_string("variant", "full", "full or quick.")
_OUTPUT = flags.DEFINE_string("output", None, "Directory; default: that of the committed tables.")
_ONLY = flags.DEFINE_multi_string("only", [], "Names of experiments; default: all.")


def _names() -> list[str]:
    """Experiments that are named, in one flag with commas between or in several."""
    return [name for text in _ONLY.value for name in text.split(",") if name]


if __name__ == "__main__":
    run_script(
        lambda: make(_VARIANT.value, _OUTPUT.value, _names()),
        commands={"check": lambda: check_results(_VARIANT.value, _OUTPUT.value, _names())},
    )
