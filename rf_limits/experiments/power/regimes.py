"""The regimes in which the paper couples a network to random features, and one in which not."""

REGIMES = {
    "hidden": {
        "model__trainable": "hidden",
        "model__output_init": "sign",
        "predictors__methods": ("network", "linearized"),
    },
    "all": {
        "model__trainable": "both",
        "model__output_init": "zero",
        "predictors__methods": ("network", "linearized", "rf_descent"),
    },
    "ntk": {
        "model__trainable": "both",
        "model__output_init": "gaussian",
        "predictors__methods": ("network", "linearized", "rf_descent"),
    },
}
"""Fields by regime: hidden layer trained with u_i = +-1; both layers from u = 0; both layers from
Gaussian outputs, which no theorem couples to the output layer's features."""

COUPLED = {
    "hidden": ("linearized", "linearization_gap"),
    "all": ("rf_descent", "rf_gap"),
    "ntk": ("rf_descent", "rf_gap"),
}
"""By regime: the method that is SGD on the regime's random features, and the distance to it.

With the hidden layer trained the features are the gradients at initialization, so the
linearization is their linear model; with all layers from u = 0 they are the neurons."""
