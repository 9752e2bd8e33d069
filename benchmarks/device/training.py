"""Training on an accelerator: an ensemble beside loops over seeds, a large one, measuring."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.device.bench import Bench, Timed, attempt, compared, timed
from benchmarks.jobs.ensemble import Ensemble
from benchmarks.jobs.measurements import CHUNK, DEFAULT, EVERYTHING, measured
from benchmarks.jobs.training import STEPS, flax_loop, products, torch_loop
from benchmarks.rows import Row
from benchmarks.timing import Work
from rf_limits.models import init_params, make_network
from rf_limits.optimization.ensemble import networks_at_once
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.trainer import Cell, Trainer

GIB = 2**30
_PASSES = 5  # over the (n, N) arrays of a step in which no product is fused with what follows


def _ensembles(bench: Bench) -> list[Ensemble]:
    seeds, width, num = bench.sizes.ensemble
    return [Ensemble(bench.sizes.dim, num, width, seeds, one) for one in ("float32", "float64")]


def _prepared(of: Ensemble) -> tuple[Trainer, Cell]:
    run = of.prepared().widths[0]
    return run.trainer(), run.ensemble.cells()[0]


def _ours(trainer: Trainer, cells: Cell, at_once: int | None) -> Work:
    own = dataclasses.replace(trainer, at_once=at_once)
    return lambda: own.advance(own.start(cells), cells, STEPS).change


def _against(bench: Bench, of: Ensemble, name: str, make: Callable[[], Work]) -> Iterator[Row]:
    def rows() -> Iterator[Row]:
        other = timed(make(), 3)
        ours, note = bench.training[of.title], f"first call {other.first:.3g} s"
        yield compared(of.title, name, ours, other.median, note)

    yield from attempt(of.title, name, rows)


def ensemble(bench: Bench) -> Iterator[Row]:
    """The ensemble of the table: at once, in sequence, and against a jitted loop over seeds."""
    for of in _ensembles(bench):
        yield from attempt(of.title, "preparing", lambda of=of: _one_ensemble(bench, of))


def _one_ensemble(bench: Bench, of: Ensemble) -> Iterator[Row]:
    trainer, cells = _prepared(of)
    whole = _ours(trainer, cells, None)
    took = timed(whole)
    bench.training[of.title] = took.median
    moved = _PASSES * cells.x.dtype.itemsize * of.seeds * of.num * of.width * STEPS
    note = f"{took.median / STEPS * 1e6:.3g} us a step; {moved / took.median / 1e12:.3g} TB/s"
    note += f" at {_PASSES} passes over (n, N); auto: {trainer.at_once or 'all'} at once"
    yield bench.share(of.title, of.precision, STEPS * of.operations, took, note)
    bench.profiled(f"training-{of.precision}", whole)
    others = {
        "itself, networks in sequence": lambda: _ours(trainer, cells, 1),
        "the bare matrix products": lambda: products(None, of),
        "Flax and Optax, a jitted step in a loop over seeds": lambda: flax_loop(of),
    }
    for name, make in others.items():
        yield from _against(bench, of, name, make)


def torch(bench: Bench) -> Iterator[Row]:
    """The same ensemble against PyTorch on the same device."""
    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    for of in _ensembles(bench):
        if of.title not in bench.training:
            bench.training[of.title] = timed(_ours(*_prepared(of), None)).median
        name = "PyTorch, a loop over seeds, on the same device"
        yield from _against(bench, of, name, lambda of=of: torch_loop(of, device))


def large_cells(of: Ensemble) -> tuple[Trainer, Cell]:
    """A trainer, and networks with data, drawn seed by seed."""
    network = make_network(of.width, centring="subtract")
    dtype = jnp.dtype(of.precision)
    keys = jax.random.split(jax.random.key(0), of.seeds)

    @jax.jit
    def draw(keys):
        def one(key):
            init = init_params(network, key, of.dim)
            return jax.tree.map(lambda leaf: leaf.astype(dtype), init)

        return jax.lax.map(one, keys)

    x = jax.random.normal(jax.random.key(1), (of.seeds, of.num, of.dim), dtype)
    ones = jnp.ones(of.seeds, dtype)
    cells = Cell(draw(keys), ones, 1e-3 * ones, x, jnp.maximum(x[..., 0], 0.0), keys)
    return Trainer(network, parse_optimizer("sgd")), cells


def large(bench: Bench) -> Iterator[Row]:
    """A large ensemble, in batches of several sizes and as the package does it."""
    seeds, width, num = bench.sizes.large
    of, steps = Ensemble(bench.sizes.dim, num, width, seeds), bench.sizes.large_steps
    each = float(jnp.dtype(of.precision).itemsize * width * num)
    plain, cells = large_cells(of)
    chosen = networks_at_once("auto", seeds, each) or seeds
    count = np.asarray(steps)

    def one(size: int) -> Iterator[Row]:
        trainer = dataclasses.replace(plain, at_once=size)
        began = time.perf_counter()
        program = Trainer._advance.lower(trainer, trainer.start(cells), cells, count).compile()
        compiling = time.perf_counter() - began

        def work():
            return program(trainer.start(cells), cells, count).change

        took = Timed(compiling, timed(work, 3).median)
        held, moved = program.memory_analysis().temp_size_in_bytes, _PASSES * each * seeds * steps
        stats = jax.local_devices()[0].memory_stats() or {}
        note = (
            f"{steps / took.median:.3g} steps/s; {moved / took.median / 1e12:.3g} TB/s at "
            f"{_PASSES} passes over (n, N); {held / GIB:.3g} GiB for intermediates, "
            f"{held / each / size:.2g} (n, N) arrays a network; most in use so far "
            f"{stats.get('peak_bytes_in_use', 0) / GIB:.3g} of "
            f"{stats.get('bytes_limit', 0) / GIB:.3g} GiB"
        )
        amount = steps * of.operations
        yield bench.share(f"{of.title}, {size} at once", of.precision, amount, took, note)
        if size == chosen:
            note = f"auto: {size} at once; {note}"
            yield bench.share(of.title, of.precision, amount, took, note)
            bench.profiled("large-ensemble", work)

    for size in sorted({chosen, *(size for size in bench.sizes.at_once if seeds % size == 0)}):
        job = f"{of.title}, {size} at once"
        yield from attempt(job, "compiling", lambda size=size: one(size))


def measurements(bench: Bench) -> Iterator[Row]:
    """A measurement of all networks beside a step of them."""
    seeds, width, num = bench.sizes.ensemble
    of = Ensemble(bench.sizes.dim, num, width, seeds)

    def one(job: str, fields: dict) -> Iterator[Row]:
        fields = {**fields, "measure.num_probe": min(num, 256)}
        times = measured(of, **fields)
        step, measure = times.median("train") / CHUNK, times.median("measure")
        note = f"{1e3 * measure:.3g} ms beside {1e3 * step:.3g} ms"
        note += f"; first call {times.first['measure']:.3g} s"
        yield Row(job, "a step of all networks", measure / step, None, False, measure, step, note)

    for what, fields in (("the risk", DEFAULT), ("every measurement", EVERYTHING)):
        job = f"measuring {seeds} networks, N = {width}, n = {num}, {what}"
        yield from attempt(job, "", lambda job=job, fields=fields: one(job, fields))
