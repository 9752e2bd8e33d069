"""Exact risks under Gaussian inputs on an accelerator."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.device.bench import Bench, attempt, compared, timed
from benchmarks.rows import Row
from rf_limits.models import as_relu_sum, init_params, make_network
from rf_limits.problem import SingleNeuron
from rf_limits.studies.approximation import random_features_gram
from rf_limits.theory.bounds.best_features import best_risks
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.numerics.blocks import symmetric_matrix
from rf_limits.theory.risks.population_risk import population_risk
from rf_limits.theory.risks.relu_moments import relu_sum_product


def random_features(bench: Bench) -> Iterator[Row]:
    """The best risk of random features: Gram matrix on the device, factor on the host."""
    width, dim = bench.sizes.features, bench.sizes.dim
    job = f"exact RF risk, N = {width}, d = {dim}"
    w = jax.random.normal(jax.random.key(0), (width, dim)) / dim**0.5

    def make() -> Iterator[Row]:
        ours = timed(lambda: random_features_gram(w, None, "relu"), 3)
        note = f"{width**2 / ours.median / 1e9:.3g} G entries/s; bytes of the matrix, once"
        yield bench.share(f"{job}, the Gram matrix", "copy", 8.0 * width**2, ours, note)
        bench.profiled("gram-matrix", lambda: random_features_gram(w, None, "relu"))
        for tile in bench.sizes.tiles:
            tiled = jax.jit(
                lambda w, tile=tile: symmetric_matrix(
                    lambda f, g: relu_gram(f, None, g, None), w, tile=tile
                )
            )
            other = timed(lambda tiled=tiled: tiled(w), 3)
            against = f"itself in tiles of {tile}"
            yield compared(f"{job}, the Gram matrix", against, ours.median, other.median)
        gram = random_features_gram(w, None, "relu")
        correlations = jax.jit(lambda w: relu_gram(w, None, jnp.eye(1, dim), None)[:, 0])
        products = np.array(correlations(w))
        copied = timed(lambda: np.array(gram), 2)
        both = timed(lambda: best_risks(np.array(gram), products, 0.5, [width])[0].risk, 2)
        cholesky = jax.jit(jnp.linalg.cholesky)
        bare = timed(lambda: cholesky(gram), 3)
        rest = f"{copied.median:.3g} s of which to copy the matrix; Gram matrix {ours.median:.3g} s"
        yield compared(
            f"{job}, the rest on the host",
            "jnp's Cholesky alone, on the device",
            both.median,
            bare.median,
            rest,
        )

    yield from attempt(job, "", make)


def gradients(bench: Bench) -> Iterator[Row]:
    """Gradients of the population risk, as the package has them, and all pairs at once."""
    dim = bench.sizes.dim
    target = SingleNeuron.create(jnp.ones(dim), 1.0, 0.0)

    def one(job: str, width: int) -> Iterator[Row]:
        network = make_network(width)
        params = init_params(network, jax.random.key(0), dim)

        def risk(params):
            return population_risk(as_relu_sum(network, params), target, 0.5)

        def at_once(params, entries=width**2):
            f = as_relu_sum(network, params)
            square = relu_sum_product(f, f, block_entries=entries)
            return square - 2.0 * target.product(f) + 0.5

        ours, other = jax.jit(jax.grad(risk)), jax.jit(jax.grad(at_once))
        took = timed(lambda: ours(params), 3)
        note = f"products with (N, d) alone counted; {width**2 / took.median / 1e9:.3g} G pairs/s"
        yield bench.share(job, "float64", 6.0 * dim * width**2, took, note)
        if width == max(bench.sizes.gradients):
            bench.profiled("population-gradient", lambda: ours(params))
        whole = timed(lambda: other(params), 3)
        leaves = zip(*(jax.tree.leaves(grad(params)) for grad in (ours, other)), strict=True)
        apart = max(float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(a))) for a, b in leaves)
        note = f"largest difference {apart:.2g}"
        yield compared(job, "itself, all pairs at once", took.median, whole.median, note)
        small = jax.jit(jax.grad(functools.partial(at_once, entries=2**16)))
        blocks = timed(lambda: small(params), 3).median
        yield compared(job, "itself, in blocks that suit a CPU", took.median, blocks)
        value = timed(functools.partial(jax.jit(risk), params), 3).median
        yield compared(job, "its value", took.median, value)

    for width in bench.sizes.gradients:
        job = f"population-risk gradient, N = {width}, d = {dim}"
        yield from attempt(job, "", lambda job=job, width=width: one(job, width))
