"""The problem: input distributions, targets, training sets."""

from rf_limits.problem.data import Dataset
from rf_limits.problem.hermite_sums import HermiteSum
from rf_limits.problem.inputs import INPUTS, sample_inputs
from rf_limits.problem.neurons import SingleNeuron, Teacher
from rf_limits.problem.polynomial_kinds import make_polynomial
from rf_limits.problem.polynomials import Gegenbauer, Polynomial
from rf_limits.problem.problem import Problem, make_problem
from rf_limits.problem.sampled import SampledTarget, moment_words
from rf_limits.problem.target import Target
from rf_limits.problem.targets import make_target

__all__ = [
    "INPUTS",
    "Dataset",
    "Gegenbauer",
    "HermiteSum",
    "Polynomial",
    "Problem",
    "SampledTarget",
    "SingleNeuron",
    "Target",
    "Teacher",
    "make_polynomial",
    "make_problem",
    "make_target",
    "moment_words",
    "sample_inputs",
]
