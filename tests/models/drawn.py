"""Parameters of networks drawn by NumPy, where how they are drawn is not the point."""

import numpy as np


def drawn_params(network, dim, seed=0):
    """Parameters with the distribution that they have at initialization, not antisymmetric."""
    rng, width = np.random.default_rng(seed), network.width
    inner = {
        "hidden_kernel": network.weight_std(dim) * rng.normal(size=(dim, width)),
        "output_kernel": network.output_std * rng.normal(size=width),
    }
    if network.use_bias:
        inner["hidden_bias"] = rng.normal(size=width) / network.bias_scale
    return {"params": inner}
