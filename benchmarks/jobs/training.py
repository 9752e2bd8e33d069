"""Training an ensemble: against PyTorch, a plain Flax loop, and the products it contains."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.jobs.ensemble import STANDARD, Ensemble
from benchmarks.rows import Row, hand_over
from benchmarks.timing import Work, in_turn
from rf_limits.optimization.ensemble import over_cells

STEPS, RATE = 200, 1e-3


def ours(mode: str) -> Work:
    """The package's trainer."""
    run = STANDARD.prepared(**{"training.ensemble": mode}).widths[0]
    (cells, _), trainer = run.ensemble.cells(), run.trainer()
    return lambda: trainer.advance(trainer.start(cells), cells, STEPS).change


def flax_loop(of: Ensemble = STANDARD) -> Work:
    """What Flax's and Optax's examples do: a jitted step in a Python loop, seed by seed."""
    _, _, x, y = of.arrays()

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            h = nn.relu(nn.Dense(of.width, use_bias=False, param_dtype=x.dtype)(x))
            return nn.Dense(1, use_bias=False, param_dtype=x.dtype)(h)[:, 0]

    net, optimizer = Net(), optax.sgd(RATE)

    @jax.jit
    def step(params, state, x, y):
        def loss(p):
            return jnp.mean((net.apply(p, x) - y) ** 2)

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    def train():
        found = []
        for seed in range(of.seeds):
            params = net.init(jax.random.key(seed), x[seed])
            state = optimizer.init(params)
            for _ in range(STEPS):
                params, state = step(params, state, x[seed], y[seed])
            found.append(params)
        return found

    return train


def torch_loop(of: Ensemble = STANDARD, device: str = "cpu") -> Work:
    """The same in PyTorch, on one of its devices."""
    import torch  # here, so that it cannot come between JAX and a device before it is needed

    x, y = (torch.tensor(np.array(values)).to(device) for values in of.arrays()[2:])

    def train():
        for seed in range(of.seeds):
            torch.manual_seed(seed)
            net = torch.nn.Sequential(
                torch.nn.Linear(x.shape[-1], of.width, bias=False),
                torch.nn.ReLU(),
                torch.nn.Linear(of.width, 1, bias=False),
            ).to(device, x.dtype)
            optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
            for _ in range(STEPS):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(net(x[seed])[:, 0], y[seed]).backward()
                optimizer.step()
        if device != "cpu":
            torch.cuda.synchronize()

    return train


def products(at_once: int | None, of: Ensemble = STANDARD) -> Work:
    """The matrix products of a step, and nothing else, in one compiled loop."""

    def one(w, u, x):
        def step(_, carry):
            h, f, w, u = carry
            h = x @ w
            f = h @ u
            return h, f, w + 1e-12 * (x.T @ h), u + 1e-12 * (f @ h)

        empty = jnp.zeros((x.shape[0], of.width), x.dtype), jnp.zeros(x.shape[0], x.dtype)
        return jax.lax.fori_loop(0, STEPS, step, (*empty, w, u))[2:]

    @jax.jit
    def run(w, u, x):
        return over_cells(lambda _, *cell: one(*cell), at_once)(None, w, u, x)

    given = of.arrays()[:3]
    return lambda: run(*given)


def rows() -> list[Row]:
    """Rows of the table."""
    times = in_turn(
        ours=ours("auto"),
        in_sequence=ours("map"),
        torch=torch_loop(),
        flax=flax_loop(),
        **{f"products_{size}": products(size) for size in (1, 2, 4, 8)},
    )
    bare = times.fastest([f"products_{size}" for size in (1, 2, 4, 8)])

    def row(against: str, other: str, goal: float | None, note: str = "") -> Row:
        seconds = (times.median("ours"), times.median(other))
        return Row(STANDARD.title, against, times.ratio(other, "ours"), goal, True, *seconds, note)

    share = f"share of their rate, in their fastest form ({bare.removeprefix('products_')} at once)"
    return [
        row("PyTorch, a loop over seeds", "torch", 2.5),
        row("Flax and Optax, a jitted step in a loop over seeds", "flax", 1.5),
        row("the bare matrix products", bare, 0.85, share),
        row("the bare matrix products, seed by seed", "products_1", None),
        row("itself, networks in sequence", "in_sequence", None),
    ]


if __name__ == "__main__":
    hand_over(rows())
