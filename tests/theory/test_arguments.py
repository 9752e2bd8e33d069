"""Numbers of any kind at the border of public functions: converted once, or refused in one line."""

import inspect
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rf_limits import theory
from rf_limits.errors import RequirementError
from rf_limits.theory import (
    features_for_risk,
    hardest_bias,
    kernel_alignment_risk,
    kernel_regression,
    kernel_regression_risk,
    lazy_limit,
    log_magnitude_limit,
    random_features_regression,
    relu_kernel_spectrum,
    zonal_spectrum,
)
from rf_limits.theory.bounds.growth_law import growth_law
from rf_limits.theory.guarantees.sgd_regret import mean_features, sgd_estimate
from rf_limits.theory.numerics import arguments
from rf_limits.theory.spectra.hermite import hermite_series
from tests.rounding import rounding

KINDS = [np.int8, np.uint16, np.float32, float, jnp.int32, jnp.float32, np.array, Fraction]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_kind_of_number_is_that_number(kind):
    assert lazy_limit(kind(100), kind(20), norm=kind(15)) == lazy_limit(100, 20, norm=15)
    assert lazy_limit(10**20, kind(30)) == lazy_limit(10**20, 30)
    assert features_for_risk(kind(2), kind(4), norm=kind(3)) == features_for_risk(2, 4, norm=3)
    assert log_magnitude_limit(kind(2), kind(4), norm=kind(3)) == log_magnitude_limit(2, 4, norm=3)
    found = zonal_spectrum(kind(30), kind(40), bias=kind(1))
    assert np.array_equal(found.weights, zonal_spectrum(30, 40, bias=1).weights)
    assert type(found.dim) is int
    hidden = relu_kernel_spectrum("ntk", kind(30), kind(5))
    assert np.array_equal(hidden.weights, relu_kernel_spectrum("ntk", 30, 5).weights)
    assert growth_law(kind(1), kind(2)) == growth_law(1, 2)
    series = hermite_series("relu", kind(5), scale=kind(2), bias=kind(1))
    assert np.array_equal(
        series.coefficients, hermite_series("relu", 5, scale=2, bias=1).coefficients
    )
    assert hardest_bias(kind(3), kind(4), grid=kind(5)) == hardest_bias(3, 4, grid=5)


def test_recorded_values():
    """A negative limit, a spectrum that sums to 4.5 and stays in a cache, and an overflow."""
    assert abs(lazy_limit(100, 20, norm=np.int8(15)) - 225 * 0.05758553) < 225 * 5.01e-9
    # E relu(z + 1)^2 = 2 Phi(1) + phi(1)
    exact = math.erfc(-math.sqrt(0.5)) + math.exp(-0.5) / math.sqrt(2.0 * math.pi)
    for dim in (np.int8(30), 30, jnp.int8(30)):
        found = zonal_spectrum(dim, 40, bias=1.0)
        assert abs(math.fsum(found.weights) + found.tail - exact) < found.tail_error + 1e-11


SEVERAL = [list, tuple, np.array, jnp.array, np.float32]


@pytest.mark.parametrize("kind", SEVERAL, ids=lambda kind: kind.__name__)
def test_any_kind_of_numbers(kind):
    values, counts, target, samples = kind([2.0, 1.0]), kind([3, 4]), kind([1, 0]), kind([5, 6])
    plain = ([2.0, 1.0], [3, 4], [1, 0], [5, 6])
    found = kernel_regression(values, counts, target, samples, ridge=kind([1, 2]))
    assert np.array_equal(found.risk, kernel_regression(*plain, ridge=[1, 2]).risk)
    found = random_features_regression(values, counts, target, samples, kind([4, 9]))
    assert np.array_equal(found.risk, random_features_regression(*plain, [4, 9]).risk)
    assert np.array_equal(lazy_limit(samples, 5), lazy_limit([5, 6], 5))
    gram = kind([[2.0, 1.0], [1.0, 2.0]])
    assert kernel_alignment_risk(gram, target) == kernel_alignment_risk(np.array(gram), [1, 0])
    features = mean_features("output", 3, 0)
    sizes = {"learning_rate": 0.1, "steps": 10}
    assert sgd_estimate(features, target, **sizes) == sgd_estimate(features, [1, 0], **sizes)


def test_ranges_and_columns():
    pandas = pytest.importorskip("pandas")
    for several in (range(5, 8), pandas.Series([5, 6, 7])):
        assert np.array_equal(lazy_limit(several, 5), lazy_limit([5, 6, 7], 5))
        found = kernel_regression([1.0], [3], [1.0], several, ridge=0.1)
        assert np.array_equal(
            found.risk, kernel_regression([1.0], [3], [1.0], [5, 6, 7], ridge=0.1).risk
        )


SPECTRA = relu_kernel_spectrum("nngp", 5, 10), zonal_spectrum(5, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: features_for_risk(0.01, 10.5), "dim must be a whole number of at least 2, but"),
        (lambda: lazy_limit("5", 10), "num_features must be a number of at least 0, but"),
        (lambda: lazy_limit(None, 10), "num_features must be a number of at least 0, but"),
        (lambda: lazy_limit(True, 10), "num_features must be a number of at least 0, but"),
        (lambda: lazy_limit([[1], [2, 3]], 10), "num_features must be "),
        (lambda: lazy_limit(5, [3, 4]), "dim must be a whole number of at least 2, but"),
        (lambda: lazy_limit(5, 10**400), "dim must be at most 1e100, but received a number of 401"),
        (lambda: lazy_limit(5, 3, norm=10**400), "norm must be positive and finite, but"),
        (lambda: lazy_limit(5, 3, bias="b"), "bias must be finite, but received 'b'."),
        (lambda: zonal_spectrum(3, -1), "max_degree must be at least 0, but received -1."),
        (lambda: zonal_spectrum(3, 2.5), "max_degree must be a whole number of at least 0, but"),
        (lambda: zonal_spectrum(1, 3), "dim must be at least 2, but received 1."),
        (lambda: jax.jit(lambda d: zonal_spectrum(d, 3).total)(3), "dim must be a whole number"),
        (lambda: kernel_regression([1, 2], [1], [1, 1], 5), "multiplicities must hold 2 numbers"),
        (lambda: kernel_regression([1], [1], [1, 1], 5), "target must hold 1 numbers"),
        (lambda: kernel_regression("ab", [1], [1], 5), "eigenvalues must be numbers, but"),
        (lambda: kernel_regression([1], [-1], [1], 5), "multiplicities must be at least 0 and fin"),
        (lambda: kernel_regression([math.nan], [1], [1], 5), "eigenvalues must be at least 0 and"),
        (lambda: kernel_regression([1], [1], [1], [5, 6], ridge=[1, 2, 3]), "shapes that go"),
        (lambda: kernel_regression([1], [1], [1], 5, ridge=math.inf), "ridge must be at least 0 a"),
        (lambda: kernel_regression_risk(*SPECTRA, 5, noise=math.inf), "noise must be at least 0 a"),
        (lambda: kernel_regression_risk(*SPECTRA, 5, norm=math.nan), "norm must be finite, but"),
        (lambda: kernel_alignment_risk([1.0], [1.0]), "gram must be an array with 2 axes, but"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RequirementError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_every_count_is_converted():
    """Public functions with a dimension or a degree refuse text, each by its own name."""
    for name in theory.__all__:
        function = getattr(theory, name)
        if inspect.isclass(function):
            continue
        parameters = inspect.signature(function).parameters
        for count in {"dim", "max_degree", "num_features"} & set(parameters):
            given = {p.name: 3 for p in parameters.values() if p.default is inspect.Parameter.empty}
            given |= {count: "three"}
            if "risk" in given:
                given["risk"] = 0.1
            if "random_features" in name:
                continue  # several numbers, converted with the others
            with pytest.raises((RequirementError, TypeError)) as error:
                function(**given)
            assert count in str(error.value)


def test_a_fraction_is_rounded_down_and_bounds_are_named():
    assert arguments.floor(Fraction(7, 2), "p") == 3
    assert arguments.whole(10**30, "p") == 10**30
    assert arguments.real(math.inf, "p") == math.inf
    assert arguments.finite(np.float32(0.1), "p") == pytest.approx(0.1, rel=rounding(1, 1, "f4"))
    with pytest.raises(RequirementError, match="p must be a number that float64 holds"):
        arguments.real(math.nan, "p")


def test_annotations_say_how_arguments_are_converted():
    """A type converts, also beside None; what is left out stays; what has no type passes."""

    @arguments.border
    def function(dim: arguments.Dimension, rate: arguments.Positive | None = None, name="plain"):
        return dim, rate, name

    assert [type(part) for part in function(np.float32(3.0), rate=jnp.int8(2))] == [int, float, str]
    assert function(3, None) == function(dim=3) == (3, None, "plain")
    assert function(3, name=None) == (3, None, None)
    for refused in ({"dim": 1}, {"dim": None}, {"dim": 3, "rate": 0.0}):
        with pytest.raises(RequirementError, match=f"{[*refused][-1]} must be"):
            function(**refused)
