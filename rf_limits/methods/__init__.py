"""The learners that a training run puts side by side, one entry each.

An entry is a frozen object of a class below, in a file of its own; :data:`METHODS` has them by key
and in order. Nobody else knows a method by name: configs, tables, figures, reports and limits go
over the table, or take the entry that they are about (``NETWORK.rows(metrics)``). A method says

* how it is called and drawn (:class:`Entry`, :class:`Method`): key, label, short name, colour,
  marker, line;
* how its predictor comes about (:class:`Kind`), and with that by which columns its rows differ:
  trained by steps for every width and lazy scale (:class:`TrainedMethod`), fitted for every width
  (:class:`FittedMethod`), or regression with one kernel for all widths (:class:`KernelMethod`);
* what the lazy limits count of it, as a function of the config and a row of the table: the number
  of its features, the samples it has seen, whether it lies in the span of functions fixed by them
  and of how many (docs/theory.md, "What the limits exclude"); and, beside them, whether it is
  linear in the labels;
* how it is computed: a trained method by what takes its steps and what its change of parameters
  means, a fitted one by its fit to a network's features, a kernel method by its kernel.

The three base classes do the rest: rows of the table, risks, predictors. A method of a user's own
is a subclass of one of them, put into the table (docs/extending.md): of :class:`FixedKernel` with
nothing but the kernel.
"""

from rf_limits.methods.baselines import BASELINES, LATTICE_FEATURES, LAZY_LIMIT
from rf_limits.methods.fitted import FeatureProblem, FittedMethod
from rf_limits.methods.infinite_width import NNGP, NTK
from rf_limits.methods.kernel import FixedKernel, KernelMethod, KernelProblem
from rf_limits.methods.linearized import LINEARIZED
from rf_limits.methods.method import Entry, FixedFunctions, Kind, Method
from rf_limits.methods.network import NETWORK
from rf_limits.methods.random_features import RANDOM_FEATURES
from rf_limits.methods.registry import METHODS, entry_of, keys_of
from rf_limits.methods.regression import Regression
from rf_limits.methods.rf_descent import RF_DESCENT
from rf_limits.methods.tangent_features import TANGENT_FEATURES
from rf_limits.methods.trained import Changes, TrainedMethod

__all__ = [
    "BASELINES",
    "LATTICE_FEATURES",
    "LAZY_LIMIT",
    "LINEARIZED",
    "METHODS",
    "NETWORK",
    "NNGP",
    "NTK",
    "RANDOM_FEATURES",
    "RF_DESCENT",
    "TANGENT_FEATURES",
    "Changes",
    "Entry",
    "FeatureProblem",
    "FittedMethod",
    "FixedFunctions",
    "FixedKernel",
    "KernelMethod",
    "KernelProblem",
    "Kind",
    "Method",
    "Regression",
    "TrainedMethod",
    "entry_of",
    "keys_of",
]
