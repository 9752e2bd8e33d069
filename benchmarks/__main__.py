"""``make bench``: prints how many times as fast rf_limits is as what one would write otherwise."""

import functools

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from benchmarks.timing import Ratio, compare
from rf_limits.learning.optimizers import parse_optimizer
from rf_limits.learning.training import Cell, Trainer
from rf_limits.models import ScaledOutput, as_relu_sum, init_params, make_network, tangent_kernel
from rf_limits.models._neural_tangents import nt
from rf_limits.problem import SingleNeuron
from rf_limits.theory.population_risk import population_risk

DIM, NUM, WIDTH, SEEDS = 20, 512, 1024, 8


def _ensemble(dtype=jnp.float32) -> Cell:
    """Eight seeds on their own data."""
    network = make_network(WIDTH)
    keys = jax.random.split(jax.random.key(0), SEEDS)
    inits = jax.vmap(lambda k: init_params(network, k, DIM))(keys)
    x = jax.random.normal(jax.random.key(1), (SEEDS, NUM, DIM), dtype)
    ones = jnp.ones(SEEDS, dtype)
    inits = jax.tree.map(lambda leaf: leaf.astype(dtype), inits)
    return Cell(inits, ones, 0.1 * ones, x, jnp.maximum(x[..., 0], 0.0), keys)


def training_by_map() -> Ratio:
    """Training 8 seeds in sequence inside one compiled call, against vmap over seeds."""
    cells, output = _ensemble(), ScaledOutput(make_network(WIDTH), centred=False)

    def train(mode):
        trainer = Trainer(output, parse_optimizer("sgd"), ensemble=mode)
        return trainer.advance(trainer.start(cells), cells, 100).params

    return compare(functools.partial(train, "map"), functools.partial(train, "vmap"))


def empirical_ntk() -> Ratio:
    """Closed-form empirical NTK against neural-tangents' Jacobian contraction."""
    network = make_network(WIDTH)
    params = init_params(network, jax.random.key(0), DIM)
    x = jax.random.normal(jax.random.key(1), (NUM, DIM))
    contraction = nt.NtkImplementation.JACOBIAN_CONTRACTION
    theirs = jax.jit(nt.empirical_ntk_fn(network.apply, (), implementation=contraction))
    ours = jax.jit(lambda x, p: tangent_kernel(network, p, x))
    return compare(lambda: ours(x, params), lambda: theirs(x, None, params), repeats=3)


def exact_risk() -> Ratio:
    """Exact population risk against a test set with a relative standard error of 1%."""
    network = make_network(WIDTH)
    params = init_params(network, jax.random.key(0), DIM)
    target = SingleNeuron.create(jnp.ones(DIM), 1.0, 0.0)
    x = jax.random.normal(jax.random.key(1), (20_000, DIM))
    y = target(x)
    ours = jax.jit(lambda p: population_risk(as_relu_sum(network, p), target, 0.5))
    theirs = jax.jit(lambda p: jnp.mean((network.apply(p, x) - y) ** 2))
    return compare(lambda: ours(params), lambda: theirs(params))


def main() -> None:
    """Prints one row per benchmark."""
    table = Table(title=f"d = {DIM}, n = {NUM}, N = {WIDTH}; {jax.devices()[0].device_kind}")
    for name in ("job", "ours (ms)", "other (ms)", "times as fast"):
        table.add_column(name)
    for job in (training_by_map, empirical_ntk, exact_risk):
        ours, theirs, ratio = job()
        row = (f"{1e3 * ours:.1f}", f"{1e3 * theirs:.1f}", f"{ratio:.2f}")
        table.add_row(job.__doc__.rstrip("."), *row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
