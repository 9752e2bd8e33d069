"""The loss's distribution over infinitely wide networks, against draws of wide ones."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.models import init_params, make_network
from rf_limits.models.ensemble_loss import ensemble_loss
from rf_limits.optimization.flow import Tolerances, gradient_flow
from tests.variants import kept

DIM, DRAWS = 3, 300


@pytest.mark.parametrize("method", kept(["ntk", "nngp"], ["nngp"]))
def test_against_wide_networks(key, method):
    """Means and deviations of the training and test loss of 300 networks with 1,024 neurons."""
    x, z = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, DIM)))
    y, y_test = jnp.sin(2 * x[:, 0]), jnp.sin(2 * z[:, 0])
    network = make_network(1024)
    times = jnp.array([0.0, 10.0])
    moving = {
        "params": {"hidden_kernel": method == "ntk", "output_kernel": True},
    }

    @jax.jit
    def losses(key):
        init = init_params(network, key, DIM)

        def loss(p):
            return 0.5 * jnp.mean((network.apply(p, x) - y) ** 2)

        found = gradient_flow(loss, init, times[1], moving=moving, tolerances=Tolerances(1e-4))
        return jnp.array(
            [
                [jnp.mean((network.apply(p, a) - b) ** 2) for p in (init, found)]
                for a, b in ((x, y), (z, y_test))
            ]
        )

    draws = np.asarray(jax.lax.map(losses, jax.random.split(key, DRAWS)))
    loss_of = jax.jit(partial(ensemble_loss, network, method=method))
    for i, (a, b) in enumerate(((x, y), (z, y_test))):
        expected = loss_of(x, y, a, b, times)
        mean, std = draws[:, i].mean(axis=0), draws[:, i].std(axis=0, ddof=1)
        # 6 standard errors, and 2% for the finite width (1,024 neurons deviate by 1/N)
        assert np.all(np.abs(mean - expected.mean) < 6 * std / DRAWS**0.5 + 0.02 * mean)
        # the same for the deviations, whose errors follow from the fourth moments
        fourth = np.mean((draws[:, i] - mean) ** 4, axis=0)
        error = std * np.sqrt((fourth / std**4 - 1.0) / (4.0 * DRAWS))
        assert np.all(np.abs(std - expected.std) < 6 * error + 0.02 * std)
