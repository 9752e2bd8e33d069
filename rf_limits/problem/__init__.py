"""What is learned: input distributions, targets, training sets."""

from rf_limits.problem.data import Dataset, make_dataset
from rf_limits.problem.inputs import INPUTS, sample_inputs
from rf_limits.problem.targets import Polynomial, SingleNeuron, Target, Teacher, make_target

__all__ = [
    "INPUTS",
    "Dataset",
    "Polynomial",
    "SingleNeuron",
    "Target",
    "Teacher",
    "make_dataset",
    "make_target",
    "sample_inputs",
]
