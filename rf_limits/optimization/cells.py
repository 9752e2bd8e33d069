"""One network of an ensemble: its data and the state of its training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from rf_limits.models.network import Params


class Cell(NamedTuple):
    """The data of one network; leaves carry a leading axis for an ensemble.

    Attributes:
      init: parameters at initialization, in the dtype of training.
      alpha: lazy scale.
      learning_rate: step size.
      x: (n, d) training inputs.
      y: (n,) labels.
      key: stream of batches.
    """

    init: Params
    alpha: Float[Array, "*s"]
    learning_rate: Float[Array, "*s"]
    x: Float[Array, "*s n d"]
    y: Float[Array, "*s n"]
    key: Key[Array, "*s"]


class TrainState(NamedTuple):
    """The state of training.

    Parameters are ``cell.init`` and their change: apart from it, no digit of the change is lost,
    however small it is (docs/theory.md, section 9).

    Attributes:
      change: of the network's parameters since initialization.
      optimizer: its optimizer state.
      linear_change: the same of the linearized network, or None if not trained alongside.
      linear_optimizer: its optimizer state, or None.
      order: (n,) current permutation of the training set (minibatches), or None.
      step: steps taken.
    """

    change: Params
    optimizer: Any
    linear_change: Params | None
    linear_optimizer: Any
    order: Int[Array, "*s n"] | None
    step: Int[Array, "*s"]


def own_streams(state: Any, cell: Cell) -> Any:
    """Returns an optimizer's state whose random keys differ by seed and by scale."""
    scale = jax.lax.bitcast_convert_type(cell.alpha.astype(jnp.float32), jnp.uint32)

    def convert(leaf: Any) -> Any:
        if not jnp.issubdtype(jnp.asarray(leaf).dtype, jax.dtypes.prng_key):
            return leaf
        for number in (*jnp.ravel(jax.random.key_data(cell.key)), scale):
            leaf = jax.random.fold_in(leaf, number)
        return leaf

    return jax.tree.map(convert, state)
