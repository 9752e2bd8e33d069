"""What is known exactly: expectations, risks, spectra and bounds."""

from rf_limits.theory.bounds.label_linear import LabelLinearLimit, label_linear_limit
from rf_limits.theory.bounds.lazy_limit import features_for_risk, hardest_bias, lazy_limit
from rf_limits.theory.bounds.magnitude_limit import log_magnitude_limit, log_rms_magnitude_limit
from rf_limits.theory.bounds.tangent_features import tangent_features_gram
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.regression.kernel_alignment import kernel_alignment_risk
from rf_limits.theory.regression.kernel_regression import kernel_regression, kernel_regression_risk
from rf_limits.theory.regression.learning_curve import LearningCurve
from rf_limits.theory.regression.optimal_ridge import OptimalRidge, optimal_ridge
from rf_limits.theory.regression.random_features_regression import (
    random_features_regression,
    random_features_risk,
)
from rf_limits.theory.risks.degree_risks import degree_products, degree_risks
from rf_limits.theory.risks.population_risk import population_risk
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_product
from rf_limits.theory.spectra.coefficients import DegreeCoefficients, coefficients_by_degree
from rf_limits.theory.spectra.kernel_spectrum import kernel_spectrum, relu_kernel_spectrum
from rf_limits.theory.spectra.profiles import DegreeProfiles, profiles_by_degree
from rf_limits.theory.spectra.spectrum import ZonalSpectrum, zonal_spectrum

__all__ = [
    "DegreeCoefficients",
    "DegreeProfiles",
    "LabelLinearLimit",
    "LearningCurve",
    "OptimalRidge",
    "ReluSum",
    "ZonalSpectrum",
    "coefficients_by_degree",
    "degree_products",
    "degree_risks",
    "features_for_risk",
    "gaussian_gram",
    "hardest_bias",
    "kernel_alignment_risk",
    "kernel_regression",
    "kernel_regression_risk",
    "kernel_spectrum",
    "label_linear_limit",
    "lazy_limit",
    "log_magnitude_limit",
    "log_rms_magnitude_limit",
    "optimal_ridge",
    "population_risk",
    "profiles_by_degree",
    "random_features_regression",
    "random_features_risk",
    "relu_gram",
    "relu_kernel_spectrum",
    "relu_sum_product",
    "tangent_features_gram",
    "zonal_spectrum",
]
