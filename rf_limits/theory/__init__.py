"""What is known exactly: expectations, risks, spectra and bounds."""

from rf_limits.theory.relu_moments import ReluSum, relu_gram, relu_sum_product

__all__ = ["ReluSum", "relu_gram", "relu_sum_product"]
