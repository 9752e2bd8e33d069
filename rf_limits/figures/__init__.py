"""Figures: functions from tables to pictures.

All of the package's matplotlib is imported after this. Figures here need no backend, but
matplotlib does not load where MPLBACKEND names one that is not installed, such as a notebook's:
it is asked for once matplotlib is there, and left out where it cannot be had.
"""

import contextlib
import os
import sys


def _import_matplotlib() -> None:
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = named


_import_matplotlib()
