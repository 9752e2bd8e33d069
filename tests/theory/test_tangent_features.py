"""Second moments of tangent features against samples and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits.errors import RequirementError
from rf_limits.theory.bounds.best_features import tangent_gram
from rf_limits.theory.bounds.tangent_features import tangent_features_gram
from rf_limits.theory.expectations.activations import FUNCTIONS, slope
from tests.rounding import rounding


def features(x, w, b, name, layers):
    """Returns tangent features of neurons at the rows of x, neuron by neuron."""
    h = x @ w.T + (0.0 if b is None else b)
    on, value = slope(FUNCTIONS[name], h), FUNCTIONS[name](h)
    parts = [on[:, :, None] * x[:, None, :]]
    if b is not None:
        parts.append(on[:, :, None])
    parts = [] if layers == "output" else parts
    if layers != "hidden":
        parts.append(value[:, :, None])
    joined = jnp.concatenate(parts, axis=2)
    return joined.reshape(len(x), -1)


@pytest.mark.parametrize("layers", ["hidden", "output", "both"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["relu", "erf", "gelu", "quadratic"])
def test_moments_are_means_over_samples(name, bias, layers):
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.standard_normal((3, 2)))
    b = jnp.asarray(rng.standard_normal(3)) if bias else None
    x = jnp.asarray(rng.standard_normal((200_000, 2)))
    rows = features(x, w, b, name, layers)
    found = np.asarray(tangent_features_gram(w, b, name, layers=layers))
    products = rows[:, :, None] * rows[:, None, :]
    error = np.asarray(jnp.std(products, axis=0)) / np.sqrt(len(x))
    assert np.all(np.abs(found - np.asarray(jnp.mean(products, axis=0))) < 5.0 * error + 1e-12)


def test_hidden_features_of_relu_have_their_closed_form():
    w = jax.random.normal(jax.random.key(1), (6, 5))
    found = tangent_features_gram(w, layers="hidden")
    np.testing.assert_allclose(found, tangent_gram(w), rtol=0, atol=rounding(20))


def test_output_features_of_relu_lie_in_the_span_of_the_hidden_ones():
    w = jax.random.normal(jax.random.key(2), (4, 3))
    values = np.linalg.eigvalsh(np.asarray(tangent_features_gram(w, jnp.ones(4))))
    assert np.all(np.abs(values[:4]) < rounding(100) * values[-1])
    assert values[4] > 1e-6 * values[-1]


def test_unknown_layers_are_refused():
    with pytest.raises(RequirementError, match="layers must be one of"):
        tangent_features_gram(np.eye(2), layers="first")
    with pytest.raises(RequirementError, match="biases must have the shape"):
        tangent_features_gram(np.eye(2), np.ones(3))
