"""What is compiled for regression on streamed data."""

from functools import cache

import jax
from jax.sharding import Mesh

from rf_limits.measure import tiled_kernel_risk
from rf_limits.models import InfiniteNetwork, random_features
from rf_limits.models.exact_kernels import Points
from rf_limits.regression.streamed import feature_sums, kernel_tiles, preconditioners
from rf_limits.regression.streamed.feature_sums import GramSums, ResidualSums
from rf_limits.regression.streamed.stream import SampleStream
from tests.devices.steps import (
    BIASED,
    DIM,
    ERF,
    NUM,
    PROBLEM,
    RELU,
    TANH,
    WIDTH,
    add,
    exact,
    floats,
    keys,
    mesh,
    pair,
    params,
    scaled,
    whole,
)

_STREAM = cache(lambda: SampleStream(PROBLEM, 20, 8))
add("stream: a block", jax.jit(lambda *a: _STREAM().block(*a)), lambda: (keys(), whole()))


def _sums(network, mesh: Mesh | None, kind: type) -> tuple:
    start = (network, _STREAM(), mesh, params(network), keys())
    moments, square, bounds = floats(WIDTH), floats(), (whole(), whole())
    if kind is ResidualSums:
        return *start, floats(WIDTH), floats(), ResidualSums(moments, square), *bounds
    tiles = feature_sums.tiles_of(WIDTH)
    gram = floats(tiles, WIDTH // tiles, WIDTH)
    return *start, GramSums(gram, moments, square), *bounds


add("stream: Gram sums on a mesh", feature_sums._add_gram, lambda: _sums(ERF, mesh(), GramSums))
add("stream: residuals", feature_sums._add_residual, lambda: _sums(BIASED, None, ResidualSums))


def _points(network, num: int) -> Points:
    return jax.eval_shape(_exact(network).points, floats(num, DIM))


def _exact(network) -> InfiniteNetwork:
    return InfiniteNetwork(network, supplier="exact")


def _tiled(network, name: str, mesh: Mesh | None = None) -> tuple:
    which = kernel_tiles._Which(_exact(network), name, mesh)
    return which, _points(network, 2), _points(network, NUM)


add("stream: points of a series", kernel_tiles._points, lambda: (_exact(TANH), floats(NUM, DIM)))
add("stream: tile of the NNGP by series", kernel_tiles._tile, lambda: _tiled(TANH, "nngp"))
add("stream: tile of the NTK on a mesh", kernel_tiles._tile, lambda: _tiled(BIASED, "ntk", mesh()))


def _products(network, name: str) -> tuple:
    which = kernel_tiles._Which(_exact(network), name, None)
    points = _points(network, NUM)
    return which, 2, points, points, floats(NUM), floats(NUM), whole(), whole()


add("stream: products with the NNGP", kernel_tiles._add_products, lambda: _products(ERF, "nngp"))
add("stream: products with the NTK", kernel_tiles._add_products, lambda: _products(RELU, "ntk"))
add(
    "stream: rows of a preconditioner",
    preconditioners._gram_rows,
    lambda: ("gelu", *pair(2, WIDTH)),
)
add(
    "stream: risk of a kernel",
    tiled_kernel_risk._add_rows,
    lambda: (floats(6), DIM, floats(2, 64, DIM), floats(2, 64), floats(), whole(), whole()),
)
add(
    "stream: risk of features",
    jax.jit(lambda f, weights: exact(BIASED, -1).random_features(f, weights)),
    lambda: (scaled(BIASED), floats(WIDTH)),
)
add(
    "stream: predictions of features",
    jax.jit(lambda init, weights, rows: random_features(TANH, init, rows) @ weights),
    lambda: (params(TANH), floats(WIDTH), floats(NUM, DIM)),
)
