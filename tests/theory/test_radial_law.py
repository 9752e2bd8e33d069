"""Expectations over |x|^2/d against exponential integrals, for every ridge."""

import numpy as np
import pytest
from scipy import special

from rf_limits.errors import RequirementError
from rf_limits.theory.spectra.radial_law import radial_law

PROMISED = 1e-12
TAUS = (1e-30, 1e-12, 1e-3, 0.7, 40.0)


def inverse_by_hand(dim, tau):
    """E 1/(tau + g), and minus its derivative in tau, by exponential integrals of order d/2.

    With k = d/2 and x = k tau it is k e^x E_k(x); d = 1 by the complementary error function.
    """
    x = 0.5 * dim * tau
    if dim == 1:
        scaled, below = np.sqrt(np.pi / x) * special.erfcx(np.sqrt(x)), None
        below = (1.0 + 0.5 * scaled) / x  # E_{k-1} = (e^-x + (1 - k) E_k)/x
    else:
        k = dim // 2
        scaled = special.expn(k, x) * np.exp(x)
        below = special.expn(k - 1, x) * np.exp(x) if k > 1 else 1.0 / x
    return 0.5 * dim * scaled, (0.5 * dim) ** 2 * (below - scaled)


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [1, 2, 4, 6, 20])
def test_expectations_by_exponential_integrals(dim):
    law = radial_law("gaussian", dim)
    for tau in TAUS:
        once, twice = inverse_by_hand(dim, tau)
        over = 1.0 / (tau + law.nodes)
        np.testing.assert_allclose(law.mean(over), once, rtol=PROMISED)
        if tau < 1.0:  # above, the difference that gives it cancels
            np.testing.assert_allclose(law.mean(over**2), twice, rtol=10 * PROMISED)
            np.testing.assert_allclose(
                law.mean(law.nodes * over**2), once - tau * twice, rtol=10 * PROMISED
            )


@pytest.mark.sharp
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 7, 30, 100, 1000])
def test_moments(dim):
    """E g = 1, E g^2 = 1 + 2/d, E 1/g = d/(d - 2)."""
    law = radial_law("gaussian", dim)
    np.testing.assert_allclose(law.mean(law.nodes), 1.0, rtol=PROMISED)
    np.testing.assert_allclose(law.mean(law.nodes**2), 1.0 + 2.0 / dim, rtol=PROMISED)
    if dim > 2:
        np.testing.assert_allclose(law.mean(1.0 / law.nodes), dim / (dim - 2.0), rtol=PROMISED)
    finer = radial_law("gaussian", dim, 4)
    for tau in (1e-20, 1e-3, 1.0, 1e20):
        one, other = (np.sum(r.weights * r.nodes / (tau + r.nodes) ** 2) for r in (law, finer))
        np.testing.assert_allclose(one, other, rtol=PROMISED)


@pytest.mark.parametrize("kind", ["gaussian", "sphere"])
def test_the_ratio_is_inverted(kind):
    for dim in (1, 3, 1000):
        law = radial_law(kind, dim)
        logs = np.array([-60.0, -5.0, 0.0, 3.0, 60.0])
        tau = np.exp(logs)[:, None]
        below, above = law.mean(tau / (tau + law.nodes)), law.mean(law.nodes / (tau + law.nodes))
        found = law.log_ratio(np.log(below) - np.log(above))
        np.testing.assert_allclose(found, logs, rtol=1e-13, atol=1e-13)
        assert law.log_ratio(np.array(-np.inf)) == -np.inf
        rho = np.exp(2.0)
        expected = law.mean(law.nodes / (rho + law.nodes))
        np.testing.assert_allclose(
            law.balance(np.array([rho]), np.ones(1)), expected, rtol=PROMISED
        )


def test_refusals():
    with pytest.raises(RequirementError, match="inputs must be one of"):
        radial_law("cube", 3)
    with pytest.raises(RequirementError, match="dim must be at least 1"):
        radial_law("gaussian", 0)
