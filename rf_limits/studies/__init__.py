"""Experiments: a base class, and one file for each.

A study is several training runs that differ in labelled fields
(:class:`~rf_limits.studies.study.Study`); other experiments compute tables of their own
(:class:`~rf_limits.studies.experiment.Experiment`). Every file of this folder is imported with it,
so that an experiment is known by being there.
"""

import importlib
import pkgutil

from rf_limits import figures  # noqa: F401  (matplotlib is imported after this)
from rf_limits.studies.experiment import (
    EXPERIMENTS,
    Experiment,
    Findings,
    Prepared,
    config_from_json,
    default_config,
    experiment,
    prepare,
)
from rf_limits.studies.study import Member, Study
from rf_limits.studies.training import Training

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Findings",
    "Member",
    "Prepared",
    "Study",
    "Training",
    "config_from_json",
    "default_config",
    "experiment",
    "prepare",
]
