"""Exact risks under Gaussian inputs: against Cholesky alone, sampling, and the naive formula."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from benchmarks.rows import Row, hand_over
from benchmarks.timing import in_turn, seconds
from rf_limits.models import as_relu_sum, init_params, make_network
from rf_limits.problem import SingleNeuron
from rf_limits.studies.approximation import random_features_gram
from rf_limits.theory.bounds.best_features import best_risks
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.risks.population_risk import population_risk

DIM, ACCURACY, BLOCK = 20, 0.01, 8192


def random_features(width: int = 8192) -> list[Row]:
    """The best risk of random features."""
    w = jax.random.normal(jax.random.key(0), (width, DIM)) / DIM**0.5
    target = jnp.eye(1, DIM)

    def ours():
        gram = random_features_gram(w, None, "relu")
        products = relu_gram(w, None, target, None)[:, 0]
        return best_risks(np.array(gram), np.array(products), 0.5, [width])[0].risk

    gram = np.array(random_features_gram(w, None, "relu"))
    found = in_turn(
        3, ours=ours, other=lambda: scipy.linalg.cholesky(gram, lower=True, check_finite=False)
    )

    # Fitting on m samples overshoots the best risk by about a share N/m of it.
    @jax.jit
    def block(key, total):
        x = jax.random.normal(key, (BLOCK, DIM))
        phi = jnp.maximum(x @ w.T, 0.0)
        return total + phi.T @ phi

    total = jnp.zeros((width, width))
    seconds(lambda: block(jax.random.key(1), total))
    per_block = min(seconds(lambda: block(jax.random.key(1), total)) for _ in range(2))
    blocks = width / ACCURACY / BLOCK
    sampling = per_block * blocks + found.median("other")
    job, ours_s = f"exact RF risk, N = {width}, d = {DIM}", found.median("ours")
    note = f"sampling: time of {BLOCK} samples times {blocks:.0f}, for an error of {ACCURACY:.0%}"
    return [
        Row(
            job,
            "Cholesky alone",
            found.ratio("ours", "other"),
            1.5,
            False,
            ours_s,
            found.median("other"),
        ),
        Row(job, "Monte Carlo", sampling / ours_s, 100.0, True, ours_s, sampling, note),
    ]


def population_gradient(width: int = 2048) -> list[Row]:
    """The gradient of the population risk."""
    network = make_network(width)
    params = init_params(network, jax.random.key(0), DIM)
    target = SingleNeuron.create(jnp.ones(DIM), 1.0, 0.0)

    def risk(params):
        return population_risk(as_relu_sum(network, params), target, 0.5)

    def gram(a, b):
        lengths = jnp.linalg.norm(a, axis=1)[:, None] * jnp.linalg.norm(b, axis=1)
        cosine = jnp.clip(a @ b.T / lengths, -1.0, 1.0)
        angle = jnp.arccos(cosine)
        return lengths * (jnp.sin(angle) + (jnp.pi - angle) * cosine) / (2.0 * jnp.pi)

    def naive(params):
        f = as_relu_sum(network, params)
        square = f.amplitudes @ gram(f.weights, f.weights) @ f.amplitudes
        cross = f.amplitudes @ gram(f.weights, target.directions) @ target.coefficients
        return square - 2.0 * cross + 0.5

    def sampled(params, key, size):
        x = jax.random.normal(key, (size, DIM))
        return jnp.mean((network.apply(params, x) - target(x)) ** 2)

    exact = jax.grad(risk)(params)
    batch = jax.jit(jax.grad(sampled), static_argnums=2)

    def square(tree) -> float:
        return float(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)))

    draws = (batch(params, jax.random.key(i), BLOCK) for i in range(8))
    errors = [square(jax.tree.map(jnp.subtract, draw, exact)) for draw in draws]
    needed = BLOCK * float(np.mean(errors)) / square(exact) / ACCURACY**2
    ours, theirs = jax.jit(jax.grad(risk)), jax.jit(jax.grad(naive))
    found = in_turn(
        ours=lambda: ours(params),
        naive=lambda: theirs(params),
        batch=lambda: batch(params, jax.random.key(0), BLOCK),
    )
    sampling = found.median("batch") * needed / BLOCK
    job, ours_s = f"population-risk gradient, N = {width}, d = {DIM}", found.median("ours")
    note = f"{needed:.2g} samples for a relative error of {ACCURACY:.0%}"
    wrong = int(sum(jnp.isnan(leaf).sum() for leaf in jax.tree.leaves(theirs(params))))
    return [
        Row(
            job,
            "autodiff of the naive formula",
            found.ratio("naive", "ours"),
            2.0,
            True,
            ours_s,
            found.median("naive"),
            f"{wrong} of whose entries are NaN",
        ),
        Row(
            job,
            "minibatch gradient of equal accuracy",
            sampling / ours_s,
            None,
            True,
            ours_s,
            sampling,
            note,
        ),
    ]


def rows() -> list[Row]:
    """Rows of the table."""
    return [*random_features(), *population_gradient()]


if __name__ == "__main__":
    hand_over(rows())
