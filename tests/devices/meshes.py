"""What the tests of meshes run in processes of their own, where one CPU counts as several devices.

    python -m tests.devices.meshes FOLDER CASE:SEEDSxDATAxWIDTH ...

writes FOLDER/CASE-SEEDSxDATAxWIDTH.parquet for each, and FOLDER/facts.json; for a mesh with
"+resumed" after it of the same run stopped and begun again, with "+together" beside another one.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

DEVICES = 8
GAPS = ("linearization_gap", "rf_gap")
"""Roots of E (f - g)^2 = E f^2 - 2 E f g + E g^2: rounding is that of the terms, which cancel."""

CASES = {
    "alongside": {
        "training.optimizer": "sgd(momentum=0.9)",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network", "linearized"),
    },
    "minibatches": {
        "training.optimizer": "adam",
        "training.learning_rate": "0.01",
        "training.batch_size": 8,
        "predictors.methods": ("network", "linearized"),
        "measure.exact": False,
    },
    "closed_form": {
        "predictors.methods": ("network", "linearized", "random_features", "tangent_features"),
        "measure.kernels": True,
        "measure.eigenvalues": 2,
        "measure.infinite_width": True,
        "measure.alignment": True,
        "measure.test_loss": True,
        "model.bias": True,
    },
    "antisymmetric": {"model.centring": "antisymmetric", "measure.exact": False},
    "stream": {
        "data.kind": "stream",
        "training.learning_rate": "0.05",
        "training.batch_size": 8,
        "predictors.methods": ("network", "rf_descent"),
    },
    "flow": {
        "training.optimizer": "gradient_flow",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network",),
        "measure.exact": False,
    },
    "population": {
        "data.kind": "population",
        "training.learning_rate": "0.05",
        "predictors.methods": ("network", "linearized"),
    },
    "three_seeds": {"seeds": 3, "model.lazy_scales": (0.1, 0.5, 1.0, 10.0)},
}
PLAIN = (1, 1, 1)


def configured(case, mesh=PLAIN):
    """A config of seconds: one width of 8, eight networks, float64."""
    from tests.experiments.conftest import small_config

    config = small_config()
    config.model.widths, config.seeds, config.precision = (8,), 4, "float64"
    config.training.steps, config.training.log_points = 20, 3
    config.measure.max_degree = -1
    config.update(CASES[case])
    config.mesh.seeds, config.mesh.data, config.mesh.width = mesh
    return config


def environment(devices=DEVICES):
    """Of a process in which one CPU counts as ``devices``; collectives wait for slow machines."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    flags += " --xla_cpu_collective_call_terminate_timeout_seconds=300"
    return {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}


def differences(found, wanted):
    """By column, the largest difference over the largest entry; identical columns are left out.

    Of :data:`GAPS` the squares are compared, over the largest risk, which has the terms' size.
    """
    assert list(found.columns) == list(wanted.columns)
    assert len(found) == len(wanted)
    sizes = {}
    for name in wanted.columns:
        if wanted[name].dtype.kind != "f":
            assert found[name].equals(wanted[name]), name
            continue
        a, b = found[name].to_numpy(), wanted[name].to_numpy()
        size = b
        if name in GAPS:
            a, b, size = a**2, b**2, wanted["risk"].to_numpy()
        assert np.array_equal(np.isfinite(a), np.isfinite(b)), name
        finite = np.isfinite(a)
        distance = np.max(np.abs(a[finite] - b[finite]), initial=0.0)
        if distance > 0.0:
            sizes[name] = float(distance / np.max(np.abs(size[finite])))
    return sizes


def _compilations(compute):
    """How many programs ``compute()`` compiled."""
    import jax

    count = []
    event = "/jax/core/compile/backend_compile_duration"

    def listen(name, _, **__):
        count.extend([name] * (name == event))

    jax.monitoring.register_event_duration_secs_listener(listen)
    compute()
    jax.monitoring.clear_event_listeners()
    return len(count)


def _facts(prepared):
    """How the arrays of a run lie, and what a second call compiles."""
    import jax

    run = prepared.widths[0]
    trainer, (cells, _) = run.trainer(), run.ensemble.cells()
    state = trainer.start(cells)
    sizes = {len(leaf.sharding.device_set) for leaf in jax.tree.leaves((cells, state))}
    state = trainer.advance(state, cells, 1)
    before = [leaf.sharding for leaf in jax.tree.leaves(state)]
    held = []
    compiled = _compilations(lambda: held.append(trainer.advance(state, cells, 2)))
    after = [leaf.sharding for leaf in jax.tree.leaves(held[0])]
    kernel = held[0].change["params"]["hidden_kernel"]
    return {
        "devices": sorted(sizes),
        "compiled_again": compiled,
        "layout_stays": before == after,
        "kernel": [kernel.shape, kernel.sharding.shard_shape(kernel.shape)],
        "x": [cells.x.shape, cells.x.sharding.shard_shape(cells.x.shape)],
    }


def _resumed(prepared):
    """The result of the run, stopped at every opportunity."""
    from rf_limits.devices import pace
    from rf_limits.training.checkpointing import Stopped
    from tests.keeping import MemoryKeep

    pace._GROWTH, keep, stops = 3.0, MemoryKeep(stop_at=0), 0
    while True:
        try:
            return prepared.run(keep=keep), stops
        except Stopped:
            stops, keep = stops + 1, MemoryKeep(stop_at=1, earlier=keep)


def _together(prepared):
    """The result of the run, carried out with another one."""
    from rf_limits.training.checkpointing import NO_KEEP
    from rf_limits.training.run import prepare, run_together

    other = prepared.config.copy_and_resolve_references()
    other.problem.seed = 1
    return run_together([prepared, prepare(other)], keeps=(NO_KEEP, NO_KEEP))[0], None


def main(folder, *names):
    """Runs every case named."""
    from rf_limits.training.run import prepare

    facts = {}
    for name in names:
        plain, _, how = name.partition("+")
        case, _, mesh = plain.partition(":")
        mesh = tuple(int(size) for size in mesh.split("x"))
        prepared = prepare(configured(case, mesh))
        path = Path(folder) / f"{name.replace(':', '-')}.parquet"
        if how:
            result, facts[name] = {"resumed": _resumed, "together": _together}[how](prepared)
        else:
            result, facts[name] = prepared.run(), _facts(prepared)
            facts[name]["mesh"] = result.choices["mesh"]
        result.metrics.to_parquet(path)
    (Path(folder) / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
