"""The regimes in which the paper couples a network to random features, and one in which not."""

from rf_limits.methods import LINEARIZED, NETWORK, RF_DESCENT, keys_of

REGIMES = {
    "hidden": {
        "model__trainable": "hidden",
        "model__output_init": "sign",
        "predictors__methods": keys_of((NETWORK, LINEARIZED)),
    },
    "all": {
        "model__trainable": "both",
        "model__output_init": "zero",
        "predictors__methods": keys_of((NETWORK, LINEARIZED, RF_DESCENT)),
    },
    "ntk": {
        "model__trainable": "both",
        "model__output_init": "gaussian",
        "predictors__methods": keys_of((NETWORK, LINEARIZED, RF_DESCENT)),
    },
}
"""Fields by regime: hidden layer trained with u_i = +-1; both layers from u = 0; both layers from
Gaussian outputs, which no theorem couples to the output layer's features."""

COUPLED = {
    "hidden": LINEARIZED,
    "all": RF_DESCENT,
    "ntk": RF_DESCENT,
}
"""By regime: the method that is SGD on the regime's random features.

With the hidden layer trained the features are the gradients at initialization, so the
linearization is their linear model; with all layers from u = 0 they are the neurons."""
