r"""The lazy limit: the least risk of any p functions fixed before the target is drawn.

.. math:: E_{w^*} \min_u E_x\Bigl(\sum_{i\le p} u_i f_i(x) - f_{w^*}(x)\Bigr)^2
    \ge R^*(p) = \sum_{j>p}\lambda_{(j)},

the eigenvalues of the target family in decreasing order, counted with multiplicity
(docs/theory.md has the proof, and which methods it speaks of). Lower bounds by the number of fixed
functions alone, whatever the weights, are known: Kamath, Montasser and Srebro (2020) and Malach,
Kamath, Abbe and Srebro (2021) for classes of functions, Hsu, Sanford, Servedio and
Vlatakis-Gkaragkounis (2021) for random ReLUs, Ghorbani, Mei, Misiakiewicz and Montanari (2020,
2021) degree by degree as d grows. Here it is evaluated at every d and p, for neurons and for every
other target.
"""

import math
from typing import cast

import numpy as np
from scipy import optimize

from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.theory.bounds.neuron_family import NeuronFamily
from rf_limits.theory.bounds.rotated_family import Family, HasFamily, family_of
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Dimension, Finite, Number, Numbers, Positive, border
from rf_limits.theory.spectra.hermite import Activation
from rf_limits.theory.spectra.rotated import DegreesKnown
from rf_limits.theory.spectra.zonal import INPUTS


@border
def lazy_limit(
    num_features: Number | Numbers,
    dim: Dimension | None = None,
    *,
    norm: Positive = 1.0,
    bias: Finite = 0.0,
    activation: Activation = "relu",
    target: HasFamily | DegreesKnown | None = None,
    inputs: str = "gaussian",
) -> float | np.ndarray:
    """Returns R*(p) for f*(O x), O uniform in the orthogonal group: of one neuron, or any target.

    Args:
      num_features: p >= 0, one number or several; fractions are rounded down. Integers of
        any size for a neuron without bias; with a bias up to where float64 resolves the limit.
      dim: dimension d >= 2 of a neuron sigma(<w*, x> + b*), w* uniform of length ``norm``.
      norm: |w*|.
      bias: b*.
      activation: as for :func:`rf_limits.theory.spectra.spectrum.zonal_spectrum`.
      target: f* in place of the four arguments before, any :mod:`rf_limits.problem` has.
      inputs: law of x, ``"gaussian"`` for N(0, I_d), or ``"sphere"`` of radius sqrt(d); a neuron
        that is no ``target`` has Gaussian inputs.

    Returns:
      Absolute risk (relative: divide by ``lazy_limit(0, ...)``, which is E f*^2); a float, or
      an array of the shape of ``num_features``. Relative error 1e-12 for ReLU and step neurons
      without bias, d <= 1e100, at every p whose limit is above 1e-305 |w*|^2; otherwise 1e-6
      or better for a neuron (a limit less certain than that is refused). For other targets a lower
      bound of R*(p), below it by the error of its spectrum
      (:class:`~rf_limits.theory.spectra.rotated.RotatedSpectrum`); by four standard errors where
      the target is known by its values alone.

    Raises:
      RequirementError: p < 0, d < 2, norm <= 0, a limit that cannot be resolved, or both a
        dimension and a target.
    """
    counts, shape = arguments.counts(num_features, "num_features")
    family = _family(dim, norm, bias, activation, target, inputs)
    values = [family.limit(p) for p in counts]
    return np.array(values, np.float64).reshape(shape) if shape else values[0]


def _family(
    dim: int | None,
    norm: float,
    bias: float,
    activation: Activation,
    target: HasFamily | DegreesKnown | None,
    inputs: str,
) -> Family:
    if target is None:
        check(dim is not None, "dim", "be given where there is no target", dim)
        check(inputs == "gaussian", "inputs", "be gaussian where there is no target", inputs)
        return NeuronFamily(cast(int, dim), norm, bias, activation)
    check_choice(inputs, INPUTS, "inputs")
    alone = dim is None and (norm, bias, activation) == (1.0, 0.0, "relu")
    check(alone, "dim", "be left out with a target, and so norm, bias and activation", dim)
    return family_of(target, inputs)


@border
def features_for_risk(
    risk: Positive,
    dim: Dimension | None = None,
    *,
    norm: Positive = 1.0,
    bias: Finite = 0.0,
    activation: Activation = "relu",
    target: HasFamily | DegreesKnown | None = None,
    inputs: str = "gaussian",
) -> int:
    """Returns the least p with R*(p) <= ``risk``: as many fixed functions can do, on average.

    Args:
      risk: absolute risk, positive.
      dim: as for :func:`lazy_limit`, like all that follow.
      norm: |w*|.
      bias: b*.
      activation: of the neuron.
      target: f* in place of a neuron.
      inputs: law of x.

    Returns:
      p, the least at which :func:`lazy_limit` is at most ``risk``, as that function computes it;
      for a neuron beyond 2^50, one with R*(p) = risk to the relative error stated there (which
      moves p by d/3 times as much).

    Raises:
      RequirementError: risk <= 0, an impossible argument, or a risk that cannot be resolved.
    """
    return _family(dim, norm, bias, activation, target, inputs).features(risk)


@border
def hardest_bias(
    num_features: Number,
    dim: Dimension,
    *,
    norm: Positive = 1.0,
    max_bias: Positive | None = None,
    grid: Number = 25,
) -> tuple[float, float]:
    """Returns the bias of a ReLU target that makes the lazy limit largest, in absolute risk.

    Args:
      num_features: p >= 0.
      dim: dimension d >= 2.
      norm: |w*|.
      max_bias: biases are sought in [-max_bias, max_bias]; 4 ``norm`` if left out. With
        p = 0 the limit E f*^2 increases up to the upper end.
      grid: points of the first search, which a bounded minimization refines.

    Returns:
      (bias, R*): where found, and the limit there. Biases whose limit cannot be resolved are
      passed over; the maximum is the largest found, no certificate of a global one. Since
      relu(s) - relu(-s) = s, b and -b share all eigenvalues of degree 2 and more, and with
      them the limit as soon as degrees 0 and 1 are spent: the positive one is returned.

    Raises:
      RequirementError: as :func:`lazy_limit`; max_bias not positive.
    """
    max_bias = 4.0 * norm if max_bias is None else max_bias
    check(max_bias <= 35.0 * norm, "max_bias", "be at most 35 times the norm", max_bias)
    grid, p = arguments.whole(grid, "grid", 3), arguments.floor(num_features, "num_features")

    def limit(bias: float) -> float:
        try:
            return NeuronFamily(dim, norm, float(bias)).limit(p)
        except RequirementError:  # not resolved by float64
            return -math.inf

    lowest = 0.0 if p > dim else -max_bias  # beyond degrees 0 and 1, b and -b are alike
    biases = np.unique(np.append(np.linspace(lowest, max_bias, grid), 0.0))
    values = [limit(b) for b in biases]
    best = int(np.argmax(values))
    low, high = biases[max(best - 1, 0)], biases[min(best + 1, biases.size - 1)]
    found = optimize.minimize_scalar(
        lambda b: -limit(b), bounds=(low, high), method="bounded", options={"xatol": 1e-5 * norm}
    )
    bias = float(found.x) if -found.fun > values[best] else float(biases[best])
    if bias < 0.0 and limit(-bias) >= limit(bias) * (1.0 - 1e-9):
        bias = -bias
    return bias, limit(bias)
