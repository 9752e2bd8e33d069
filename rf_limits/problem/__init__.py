"""What is learned: input distributions, targets, training sets."""

from rf_limits.problem.data import Dataset, make_dataset
from rf_limits.problem.inputs import INPUTS, sample_inputs
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.problem.polynomials import Gegenbauer, Polynomial
from rf_limits.problem.sampled import SampledTarget, moment_words, second_moment_error
from rf_limits.problem.target import Target
from rf_limits.problem.targets import make_target

__all__ = [
    "INPUTS",
    "Dataset",
    "Gegenbauer",
    "Polynomial",
    "SampledTarget",
    "SingleNeuron",
    "Target",
    "Teacher",
    "make_dataset",
    "make_polynomial",
    "make_target",
    "moment_words",
    "sample_inputs",
    "second_moment_error",
]
