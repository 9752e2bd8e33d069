r"""Second moments of the tangent features of one hidden layer, of any activation.

The features of neuron i are the derivatives of u_i sigma(<w_i, x> + b_i) in its parameters, where
the factor u_i of the first ones is left out: sigma'(h_i) x and sigma'(h_i) of the hidden layer,
sigma(h_i) of the output layer. With one shift s of the weights, beta of the biases and rho of the
output weights of all neurons on the left, and s', beta', rho' on the right, their second moments
are the derivatives in both, at 0, of

.. math:: (1+\rho)(1+\rho')\, E\,\sigma(\langle w_i + s, x\rangle + b_i + \beta)\,
    \sigma(\langle w_j + s', x\rangle + b_j + \beta').
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rf_limits.errors import check_choice
from rf_limits.theory.expectations.activations import Activation
from rf_limits.theory.expectations.gaussian_gram import gaussian_gram
from rf_limits.theory.numerics.arguments import Numbers, border
from rf_limits.theory.numerics.float_arrays import neurons

LAYERS = ("hidden", "output", "both")


def _shifts(dim: int, bias: bool, layers: str) -> Float[Array, "k shift"]:
    """Returns unit shifts (s, beta, rho), one for each feature of a neuron."""
    hidden = dim + bias if layers != "output" else 0
    kept = [*range(hidden), *([dim + 1] if layers != "hidden" else [])]
    return jnp.eye(dim + 2)[jnp.array(kept)]


def _shifted(w: Array, b: Array, by: Array) -> tuple[Array, Array, Array]:
    return w + by[:-2], b + by[-2], 1.0 + by[-1]


@partial(jax.jit, static_argnums=(2, 3, 4))
def _gram(w: Array, b: Array, activation: Activation, bias: bool, layers: str) -> Array:
    shifts = _shifts(w.shape[1], bias, layers)
    zero = jnp.zeros(w.shape[1] + 2)

    def product(left: Array, right: Array) -> Array:
        (w_left, b_left, size_left), (w_right, b_right, size_right) = (
            _shifted(w, b, by) for by in (left, right)
        )
        return size_left * size_right * gaussian_gram(w_left, b_left, w_right, b_right, activation)

    def row(shift: Array) -> Array:
        def slope(right: Array) -> Array:
            return jax.jvp(lambda left: product(left, right), (zero,), (shift,))[1]

        return jax.lax.map(lambda other: jax.jvp(slope, (zero,), (other,))[1], shifts)

    blocks = jax.lax.map(row, shifts)  # feature, feature, neuron, neuron
    size = len(w) * len(shifts)
    return jnp.transpose(blocks, (2, 0, 3, 1)).reshape(size, size)


@border
def tangent_features_gram(
    weights: Numbers,
    biases: Numbers | None = None,
    activation: Activation = "relu",
    *,
    layers: str = "both",
) -> Float[Array, "p p"]:
    """Returns E f_i f_j of the tangent features of neurons sigma(<w_i, x> + b_i), x ~ N(0, I_d).

    Args:
      weights: (N, d) weights.
      biases: (N,) biases, or None where there are none, and no features of theirs.
      activation: as for :func:`~rf_limits.theory.expectations.gaussian_gram.gaussian_gram`, with a
        closed form; of another one the error of the series is not checked.
      layers: ``"hidden"``: sigma'(h_i) x and, with biases, sigma'(h_i); ``"output"``: sigma(h_i);
        ``"both"``: for each neuron those of the hidden layer, then that of the output layer.

    Returns:
      (p, p), neuron by neuron, p = N (d + [bias] + 1) for both layers. It is singular for both
      layers of ReLU neurons: relu(h) = <w, 1[h > 0] x> + b 1[h > 0].

    Raises:
      RequirementError: unknown ``layers`` or activation, or shapes that do not go together.
    """
    check_choice(layers, LAYERS, "layers")
    w, b = neurons(weights, biases, ("weights", "biases"))
    none = jnp.zeros(len(w)) if b is None else b
    return _gram(w, none, activation, b is not None, layers)
