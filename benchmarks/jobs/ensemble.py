"""The ensembles that the training jobs share: 8 seeds, N = 1024, d = 20, n = 512, float32."""

import dataclasses

import jax
import jax.numpy as jnp

from rf_limits import default_config
from rf_limits.training.run import TrainingRun, prepare


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Networks with data and initialization of their own, both layers trained.

    Attributes:
      dim: d.
      num: training points n of every network.
      width: N.
      seeds: how many networks.
      precision: of training.
    """

    dim: int = 20
    num: int = 512
    width: int = 1024
    seeds: int = 8
    precision: str = "float32"

    @property
    def title(self) -> str:
        """What the tables call training it."""
        sizes = f"N = {self.width}, d = {self.dim}, n = {self.num}"
        return f"training {self.seeds} seeds, {sizes}, both layers, {self.precision}"

    @property
    def operations(self) -> float:
        """Floating-point operations of a step of all networks.

        Two products of (n, N) with d columns and one with the output weights; the gradient of
        these is a sum over what the second one gives.
        """
        return float(self.seeds * self.num * self.width * (4 * self.dim + 2))

    def prepared(self, **fields) -> TrainingRun:
        """The experiment, with ``fields`` of its config changed."""
        config = default_config()
        config.update(
            {
                "problem.dim": self.dim,
                "data.num_train": self.num,
                "model.widths": (self.width,),
                "model.lazy_scales": (1.0,),
                "predictors.methods": ("network",),
                "precision": self.precision,
                "seeds": self.seeds,
                **fields,
            }
        )
        return prepare(config)

    def arrays(self) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Weights, output weights, inputs and labels of every seed, as any library takes them."""
        keys, dtype = jax.random.split(jax.random.key(0), 3), jnp.dtype(self.precision)
        seeds, num, dim, width = self.seeds, self.num, self.dim, self.width
        w = jax.random.normal(keys[0], (seeds, dim, width), dtype) * dim**-0.5
        u = jax.random.normal(keys[1], (seeds, width), dtype) * width**-0.5
        x = jax.random.normal(keys[2], (seeds, num, dim), dtype)
        return w, u, x, jnp.maximum(x[..., 0], 0.0)


STANDARD = Ensemble()
"""The one of the table."""
