"""Empirical and infinite-width kernels on an accelerator."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from benchmarks.device.bench import Bench, attempt, compared, timed
from benchmarks.rows import Row
from rf_limits.models import infinite_width_kernels, init_params, make_network, tangent_kernel
from rf_limits.models._neural_tangents import nt
from rf_limits.optimization.infinite_width import flow_means
from rf_limits.regression.dense import kernel_regression

RIDGE, TEST = 0.1, 1000
_EIGH = 9.0  # n^3 operations of all eigenvalues and vectors (Golub and Van Loan, section 8.3)


def _inputs(bench: Bench, num: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    x = jax.random.normal(jax.random.key(0), (num, bench.sizes.dim))
    test = jax.random.normal(jax.random.key(1), (TEST, bench.sizes.dim))
    return x, jnp.maximum(x[:, 0], 0.0), test


def empirical(bench: Bench) -> Iterator[Row]:
    """The empirical NTK, of a size at which Jacobians fit, and of a large one."""

    def one(job: str, num: int, width: int, dtype: str, jacobians: bool) -> Iterator[Row]:
        network = make_network(width)
        params = init_params(network, jax.random.key(0), bench.sizes.dim)
        x = _inputs(bench, num)[0]
        params, x = jax.tree.map(lambda leaf: leaf.astype(dtype), (params, x))
        ours = jax.jit(functools.partial(tangent_kernel, network))
        took = timed(lambda: ours(params, x))
        amount = num * width * (4.0 * num + 2.0 * bench.sizes.dim)
        yield bench.share(job, dtype, amount, took)
        if jacobians:
            how = nt.NtkImplementation.JACOBIAN_CONTRACTION
            theirs = jax.jit(nt.empirical_ntk_fn(network.apply, (), implementation=how))
            other = timed(lambda: theirs(x, None, params), 3)
            against = "neural_tangents.empirical_ntk_fn, Jacobian contraction"
            yield compared(job, against, took.median, other.median)

    for (num, width), jacobians in ((bench.sizes.kernel, True), (bench.sizes.large_kernel, False)):
        for dtype in ("float64", "float32"):
            job = f"empirical NTK, n = {num}, N = {width}, d = {bench.sizes.dim}, {dtype}"
            given = (job, num, width, dtype, jacobians)
            yield from attempt(job, "", lambda given=given: one(*given))


def infinite(bench: Bench) -> Iterator[Row]:
    """Predictions of the infinite-width NTK at many times, beside an eigendecomposition."""
    num, count = bench.sizes.flow
    job = f"infinite-width predictions at {count} times, n = {num}, with the kernels"

    def make() -> Iterator[Row]:
        network, (x, y, test) = make_network(1024), _inputs(bench, num)
        times = jnp.logspace(0.0, 4.0, count)

        @jax.jit
        def ours(x, y, test):
            gram = infinite_width_kernels(network, x).ntk
            return flow_means(gram, infinite_width_kernels(network, test, x).ntk, y, times)

        took = timed(lambda: ours(x, y, test), 3)
        yield bench.share(job, "float64", _EIGH * num**3, took, "9 n^3 operations counted")
        gram = jax.jit(lambda x: infinite_width_kernels(network, x).ntk)(x)
        bare = jax.jit(jnp.linalg.eigh)
        other = timed(lambda: bare(gram), 3)
        yield compared(job, "jnp.linalg.eigh alone", took.median, other.median)
        host = np.array(gram)
        lapack = timed(lambda: scipy.linalg.eigh(host, driver="evd", check_finite=False), 1)
        yield compared(job, "SciPy's eigh alone, on the host", took.median, lapack.median)

    yield from attempt(job, "", make)


def regression(bench: Bench) -> Iterator[Row]:
    """Kernel regression at convergence, beside bare Cholesky solves."""
    num = bench.sizes.regression
    job = f"kernel regression, n = {num}"

    def make() -> Iterator[Row]:
        network, (x, y, test) = make_network(1024), _inputs(bench, num)
        solve = jax.jit(kernel_regression)
        gram = jax.jit(lambda x: infinite_width_kernels(network, x).ntk)(x)

        @jax.jit
        def bare(gram, y):
            factor = jax.scipy.linalg.cho_factor(gram + RIDGE * jnp.eye(num), lower=True)
            return jax.scipy.linalg.cho_solve(factor, y)

        @jax.jit
        def predict(x, y, test):
            fit = kernel_regression(infinite_width_kernels(network, x).ntk, y, RIDGE)
            return infinite_width_kernels(network, test, x).ntk @ fit.coefficients

        took = timed(lambda: solve(gram, y, RIDGE))
        fit = solve(gram, y, RIDGE)
        wrong = float(jnp.linalg.norm(fit.coefficients - bare(gram, y)))
        wrong /= float(jnp.linalg.norm(fit.coefficients))
        note = f"n^3/3 operations counted; condition number {float(fit.condition_number):.2g}"
        note += f", backward error {float(fit.backward_error):.2g}, {wrong:.2g} from the bare solve"
        yield bench.share(f"{job}, the solve", "float64", num**3 / 3.0, took, note)
        bench.profiled("kernel-regression", lambda: solve(gram, y, RIDGE))
        other = timed(lambda: bare(gram, y))
        yield compared(f"{job}, the solve", "jnp's Cholesky solve alone", took.median, other.median)
        shifted, labels = np.array(gram) + RIDGE * np.eye(num), np.array(y)

        def host():
            factor = scipy.linalg.cho_factor(shifted, lower=True, check_finite=False)
            return scipy.linalg.cho_solve(factor, labels, check_finite=False)

        lapack = timed(host, 2)
        against = "SciPy's Cholesky solve, on the host"
        yield compared(f"{job}, the solve", against, took.median, lapack.median)
        whole = timed(lambda: predict(x, y, test))
        yield compared(
            f"{job}, end to end",
            "jnp's Cholesky solve alone",
            whole.median,
            other.median,
            f"first call {whole.first:.3g} s",
        )

    yield from attempt(job, "", make)
