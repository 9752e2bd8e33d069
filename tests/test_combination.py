"""The combination of instruction sets, kernels and threads that a run names is in force in it."""

import os
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (loads the OpenBLAS behind SciPy, whose LAPACK JAX calls)
import threadpoolctl

from tests.combinations import COMBINATIONS, in_force, numpy_dispatch

pytestmark = pytest.mark.sharp

_FEATURE = {"SSE4_2": ("+sse4.2", "-avx"), "AVX2": ("+avx2", "-avx512f")}
"""Of the CPU for which a program is compiled: what it has, and what it does not have."""


@pytest.fixture
def combination():
    """The one that this run was started as (tests/conftest.py leaves this file out of others)."""
    return in_force()


def test_numpy_uses_no_loop_that_is_switched_off(combination):
    """A wrong name in NPY_DISABLE_CPU_FEATURES is only a warning at import."""
    found = numpy_dispatch()
    off = combination.numpy_off(found.available)
    assert set(found.available) == {*off, *found.on}
    assert not set(off) & set(found.on)
    if combination.name == "oldest":
        assert not found.on
        assert off  # this machine has something to switch off


def test_openblas_uses_the_kernels_of_the_core(combination):
    found = [one for one in threadpoolctl.threadpool_info() if one["internal_api"] == "openblas"]
    assert len(found) >= 2  # one of NumPy, one of SciPy
    for one in found:
        assert combination.blas in (None, one["architecture"])
        assert one["num_threads"] == min(combination.threads, os.cpu_count())


def test_threads(combination):
    assert len(os.sched_getaffinity(0)) == min(combination.threads, os.cpu_count())


def test_xla_compiles_for_the_instruction_set(combination):
    """Each compiled program carries the features of the CPU that it is for."""
    compiled = jax.jit(jnp.sin).lower(jnp.ones(8)).compile()
    features = set(re.findall(r"[+-][a-z0-9.]+", str(compiled.runtime_executable().serialize())))
    if combination.xla_isa is None:
        cpu = pathlib.Path("/proc/cpuinfo").read_text().split()
        assert ("+avx512f" in features) == ("avx512f" in cpu)
        assert ("+avx2" in features) == ("avx2" in cpu)
    else:
        there, absent = _FEATURE[combination.xla_isa]
        assert there in features
        assert absent in features
        assert absent.replace("-", "+") not in features


def test_products_are_rounded_before_a_sum_without_fused_multiply_add(combination):
    """x y - 1 for x y = 1 - 2^-54 is 0 if the product is rounded first."""
    x, y = jnp.full(64, 1.0 + 2.0**-27), jnp.full(64, 1.0 - 2.0**-27)
    rest = jax.jit(lambda x, y: x * y - 1.0)(x, y)
    rounded_first = {0.0} if combination.xla_isa == "SSE4_2" else {0.0, -(2.0**-54)}
    assert set(np.asarray(rest).tolist()) <= rounded_first


def test_the_combinations_cover_every_choice():
    choices = list(COMBINATIONS.values())
    assert {one.xla_isa for one in choices} == {"SSE4_2", "AVX2", None}
    assert {one.threads for one in choices} == {1, 2}
    assert len({one.blas for one in choices}) == 4
    assert len({one.numpy_without for one in choices}) == 3
    assert {one.optimized for one in choices} == {True, False}
