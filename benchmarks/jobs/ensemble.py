"""The ensemble that the training jobs share: 8 seeds, N = 1024, d = 20, n = 512, float32."""

import jax
import jax.numpy as jnp

from rf_limits.experiments.defaults import default_config
from rf_limits.experiments.training import Training, prepare

DIM, NUM, WIDTH, SEEDS = 20, 512, 1024, 8
TITLE = f"training {SEEDS} seeds, N = {WIDTH}, d = {DIM}, n = {NUM}, both layers, float32"


def prepared(**fields) -> Training:
    """The experiment, with ``fields`` of its config changed."""
    config = default_config()
    config.update_from_flattened_dict(
        {
            "problem.dim": DIM,
            "data.num_train": NUM,
            "model.widths": (WIDTH,),
            "model.lazy_scales": (1.0,),
            "predictors.methods": ("network",),
            "seeds": SEEDS,
            **fields,
        }
    )
    return prepare(config)


def arrays():
    """Weights, output weights, inputs and labels of every seed, as any library takes them."""
    keys = jax.random.split(jax.random.key(0), 3)
    w = jax.random.normal(keys[0], (SEEDS, DIM, WIDTH), jnp.float32) * DIM**-0.5
    u = jax.random.normal(keys[1], (SEEDS, WIDTH), jnp.float32) * WIDTH**-0.5
    x = jax.random.normal(keys[2], (SEEDS, NUM, DIM), jnp.float32)
    return w, u, x, jnp.maximum(x[..., 0], 0.0)
