"""Empirical and infinite-width kernels: against neural-tangents, LAPACK and scikit-learn."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from sklearn.kernel_ridge import KernelRidge

from benchmarks.rows import Row, hand_over
from benchmarks.timing import in_turn
from rf_limits.models import (
    InfiniteNetwork,
    gradient_flow_ensemble,
    infinite_width_kernels,
    init_params,
    make_network,
    tangent_kernel,
)
from rf_limits.models._neural_tangents import nt, stax
from rf_limits.optimization.infinite_width import flow_means
from rf_limits.regression.dense import kernel_regression
from rf_limits.regression.streamed.kernel_tiles import KernelData

DIM, RIDGE = 20, 0.1


def _data(num: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    x = jax.random.normal(jax.random.key(0), (num, DIM))
    return x, jnp.maximum(x[:, 0], 0.0), jax.random.normal(jax.random.key(1), (1000, DIM))


def empirical(num: int = 512, width: int = 4096) -> list[Row]:
    """The empirical NTK in closed form and by contracting Jacobians."""
    network = make_network(width)
    params = init_params(network, jax.random.key(0), DIM)
    x = _data(num)[0]
    contraction = nt.NtkImplementation.JACOBIAN_CONTRACTION
    theirs = jax.jit(nt.empirical_ntk_fn(network.apply, (), implementation=contraction))
    ours = jax.jit(functools.partial(tangent_kernel, network))
    times = in_turn(3, ours=lambda: ours(params, x), other=lambda: theirs(x, None, params))
    job = f"empirical NTK, n = {num}, N = {width}, d = {DIM}, float64"
    seconds = times.median("ours"), times.median("other")
    against = "neural_tangents.empirical_ntk_fn, Jacobian contraction"
    return [Row(job, against, times.ratio("other", "ours"), 15.0, True, *seconds)]


def entries(num: int = 12_000, dim: int = 30) -> list[Row]:
    """A product with the kernel of many points, whose entries are computed and never stored."""
    rng, found = np.random.default_rng(0), []
    x, vector = rng.normal(size=(num, dim)), rng.normal(size=num)
    for name in ("nngp", "ntk"):
        ours, other = (
            KernelData(InfiniteNetwork(make_network(1), supplier=supplier), name, x)
            for supplier in ("exact", "neural_tangents")
        )
        times = in_turn(
            3,
            ours=functools.partial(ours.product, vector),
            other=functools.partial(other.product, vector),
        )
        job = f"product with the {name.upper()} of relu, n = {num}, d = {dim}, float64"
        seconds = times.median("ours"), times.median("other")
        against = "the same with entries by neural_tangents.stax"
        found.append(Row(job, against, times.ratio("other", "ours"), 2.0, True, *seconds))
    return found


def infinite(num: int = 3000, count: int = 20) -> list[Row]:
    """Predictions of the infinite-width NTK at many times."""
    network, (x, y, test) = make_network(1024), _data(num)
    times = jnp.logspace(0.0, 4.0, count)

    @jax.jit
    def ours(x, y, test):
        gram = infinite_width_kernels(network, x).ntk
        return flow_means(gram, infinite_width_kernels(network, test, x).ntk, y, times)

    gram = np.array(infinite_width_kernels(network, x).ntk)
    cross, labels = np.array(infinite_width_kernels(network, test, x).ntk), np.array(y)

    def lapack():
        values, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
        filtered = -np.expm1(-np.outer(times, values) / num) / values
        return (filtered * (vectors.T @ labels)) @ vectors.T @ cross.T

    theirs = jax.jit(lambda x, y, test: gradient_flow_ensemble(network, x, y, test, times).mean)
    found = in_turn(ours=lambda: ours(x, y, test), lapack=lapack, other=lambda: theirs(x, y, test))
    job = f"infinite-width predictions at {count} times, n = {num}, with the kernels"
    ours_s = found.median("ours")
    return [
        Row(
            job,
            "LAPACK eigh and products alone",
            found.ratio("ours", "lapack"),
            1.1,
            False,
            ours_s,
            found.median("lapack"),
        ),
        Row(
            job,
            "neural_tangents gradient_descent_mse_ensemble, jitted",
            found.ratio("other", "ours"),
            None,
            True,
            ours_s,
            found.median("other"),
        ),
    ]


def regression(num: int = 8192) -> list[Row]:
    """Kernel regression at convergence."""
    network, (x, y, test) = make_network(1024), _data(num)
    solve = jax.jit(kernel_regression)

    @jax.jit
    def predict(x, y, test):
        fit = kernel_regression(infinite_width_kernels(network, x).ntk, y, RIDGE)
        return infinite_width_kernels(network, test, x).ntk @ fit.coefficients

    gram = infinite_width_kernels(network, x).ntk
    shifted, labels = np.array(gram) + RIDGE * np.eye(num), np.array(y)

    def bare():
        factor = scipy.linalg.cho_factor(shifted, lower=True, check_finite=False)
        return scipy.linalg.cho_solve(factor, labels, check_finite=False)

    hidden = stax.Dense(1024, W_std=1.0, b_std=None)
    _, _, kernel_fn = stax.serial(hidden, stax.Relu(), stax.Dense(1, W_std=1.0, b_std=None))
    jitted = jax.jit(lambda a, b: kernel_fn(a, b, "ntk"))

    def scikit(kernel):
        ridge = KernelRidge(alpha=RIDGE, kernel="precomputed")
        ridge.fit(np.asarray(kernel(x, None)), labels)
        return ridge.predict(np.asarray(kernel(test, x)))

    found = in_turn(
        3,
        solve=lambda: solve(gram, y, RIDGE),
        bare=bare,
        ours=lambda: predict(x, y, test),
        plain=lambda: scikit(lambda a, b: kernel_fn(a, b, "ntk")),
        jitted=lambda: scikit(jitted),
    )
    job, solved = f"kernel regression, n = {num}", found.median("solve")

    def whole(against: str, name: str, goal: float | None) -> Row:
        seconds = found.median("ours"), found.median(name)
        return Row(f"{job}, end to end", against, found.ratio(name, "ours"), goal, True, *seconds)

    note = "with condition number and backward error"
    ratio = found.ratio("solve", "bare")
    return [
        Row(
            f"{job}, the solve",
            "SciPy's Cholesky solve",
            ratio,
            1.3,
            False,
            solved,
            found.median("bare"),
            note,
        ),
        whole("neural-tangents' kernel and scikit-learn's KernelRidge", "plain", 1.5),
        whole("the same with the kernel jitted", "jitted", None),
    ]


def rows() -> list[Row]:
    """Rows of the table."""
    return [*empirical(), *infinite(), *regression()]


if __name__ == "__main__":
    hand_over(rows())
