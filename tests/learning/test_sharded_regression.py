"""Eight devices give what one gives, to rounding, and share the memory."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.combinations import flags_to_compile_quickly

ROOT = pathlib.Path(__file__).parents[2]
DEVICES = " ".join(["--xla_force_host_platform_device_count=8", *flags_to_compile_quickly()])

PIECES = """
import jax, numpy as np
import rf_limits
from rf_limits.devices.mesh import make_mesh
from rf_limits.regression.streamed.feature_data import FeatureData
from rf_limits.regression.streamed.feature_sums import gram_sums, residual_sums
from rf_limits.regression.streamed.kernel_tiles import KernelData
from rf_limits.regression.streamed.stream import SampleStream
from rf_limits.models import InfiniteNetwork
from rf_limits.models.network import init_params, make_network
from rf_limits.problem import Problem, make_target
from tests.rounding import rounding

assert jax.device_count() == 8
network = make_network(32)
target = make_target(jax.random.key(1), "single_neuron", dim=5)
stream = SampleStream(Problem(target, noise=0.1), 300, 64)
params = init_params(network, jax.random.key(2), 5)
one = FeatureData(network, params, stream, jax.random.key(3))
mesh = make_mesh({"data": 4, "width": 2})
many = one._replace(mesh=mesh)
theta = np.random.default_rng(0).uniform(size=32)
# sums over 300 samples of features, which are sums over 5 coordinates, in two orders
error = 2 * rounding(300 + 2 * (5 + 16))

def close(a, b, size=None):
    a, b = np.asarray(a).ravel(), np.asarray(b).ravel()
    size = np.abs(b).max() if size is None else size  # where all terms have the same sign
    assert np.all(np.abs(a - b) <= error * size), np.max(np.abs(a - b) / size)

spread = gram_sums(many)
assert len(spread.gram.sharding.device_set) == 8
tiles, side, width = spread.gram.shape
assert spread.gram.addressable_shards[0].data.shape == (tiles, side // 2, width)
alone = gram_sums(one)
close(spread.gram, alone.gram)
x, y = stream.collect(one.key)
close(spread.square, alone.square)
lengths = np.sqrt(np.diagonal(np.reshape(alone.gram, (32, 32))))
close(spread.moments, alone.moments, lengths * np.linalg.norm(y))
found = residual_sums(many.placed(), theta, 0.0)
assert len(found.slope.sharding.device_set) == 8
jax.tree.map(close, found, residual_sums(one.placed(), theta, 0.0))
limit = InfiniteNetwork(network, supplier="exact")
alone, together = KernelData(limit, "ntk", x), KernelData(limit, "ntk", x, mesh)
root = np.linalg.norm(x, axis=1) / 5**0.5  # of the kernel's diagonal
close(together.product(y), alone.product(y), root * (root @ np.abs(y)))
print("same")
"""

EXPERIMENT = """
import numpy as np
from rf_limits.studies import prepare
from rf_limits.studies.large.large import final_fits
from rf_limits import default_config

found = {}
for solver in ("cg", "cholesky"):
    for data, width in ((1, 1), (4, 2)):
        config = default_config("large")
        config.problem.dim, config.widths, config.nums_train, config.seeds = 5, (32,), (300,), 1
        config.methods, config.solver = ("random_features", "ntk"), solver
        config.block_size, config.kernel_points, config.tolerance = 64, 50, 1e-12
        config.mesh.data, config.mesh.width = data, width
        fits = final_fits(prepare(config).run().metrics)
        found[solver, data] = fits["risk"].to_numpy(float)
    np.testing.assert_allclose(found[solver, 1], found[solver, 4], rtol=1e-10)
print("same")
"""


def run(code):
    environment = os.environ | {"XLA_FLAGS": DEVICES}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("same")


def test_sums_and_products_on_eight_devices():
    run(PIECES)


@pytest.mark.slow
def test_the_same_config_runs_sharded():
    run(EXPERIMENT)
