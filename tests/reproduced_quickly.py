"""Makes quick results anew in a directory and compares them with the committed ones.

Called as ``python -m tests.reproduced_quickly DIRECTORY [NAME ...]`` by tests/combinations.py.
"""

import sys

from rf_limits.runs.recipes import make
from rf_limits.runs.reproduced import check_results

if __name__ == "__main__":
    folder, *names = sys.argv[1:]
    sys.exit(make("quick", folder, names) or check_results("quick", folder, names))
