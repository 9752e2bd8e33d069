"""Certify one network, or several runs together."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rf_limits.errors import RequirementError, check
from rf_limits.problem.problem import Problem
from rf_limits.theory.bounds.label_linear import label_linear_limit
from rf_limits.theory.bounds.lazy_limit import features_for_risk, lazy_limit
from rf_limits.theory.bounds.worth import label_linear_estimate, samples_for_risk
from rf_limits.theory.numerics import arguments
from rf_limits.theory.numerics.arguments import Number
from rf_limits.verdicts.averages import Averages, averages
from rf_limits.verdicts.draws import Draws
from rf_limits.verdicts.forms import Layer, Network, Prefactor, as_numpy, network_of
from rf_limits.verdicts.premises import Premises
from rf_limits.verdicts.risks import (
    LEVEL,
    RiskEstimate,
    checked_level,
    checked_problem,
    degrees_of,
    risk_of,
)
from rf_limits.verdicts.span import SpanRisk, span_of
from rf_limits.verdicts.verdict import Reference, Verdict, Worth


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a network was trained on, as far as it is known.

    Attributes:
      problem: target and inputs, with the label noise of training.
      num_train: number n of training samples; None where it is not given.
      x_train: (n, d) training inputs; the same.
      level: of intervals and verdicts.
    """

    problem: Problem
    num_train: int | None
    x_train: np.ndarray | None
    level: float


def _setting(
    target: Any, inputs: str, noise: float, num_train: Any, x_train: Any, level: float
) -> Setting:
    problem = checked_problem(target, inputs, noise)
    check(float(problem.noise) <= 1e100, "noise", "be at most 1e100", noise)
    if x_train is not None:
        x_train = arguments.matrix(as_numpy(x_train), "x_train")
        shape, count = x_train.shape, len(x_train)
        check(shape[1] == target.dim, "x_train", f"have {target.dim} columns", shape)
        check(bool(np.all(np.isfinite(x_train))), "x_train", "be finite", "values that are not")
        same = num_train is None or arguments.size(num_train, "num_train") == count
        check(same, "num_train", f"be the {count} rows of x_train", num_train)
        num_train = count
    if num_train is not None:
        num_train = arguments.size(num_train, "num_train")
    return Setting(problem, num_train, x_train, level)


def _limits(
    count: int, setting: Setting
) -> tuple[Reference | None, Reference | None, Reference | None, list[str]]:
    """Returns R*(P), R*(n), L* and why any of them is missing."""
    target, inputs, n = setting.problem.target, setting.problem.inputs, setting.num_train
    functions = samples = linear = None
    reasons = []

    def limit(p: int) -> float:
        return float(lazy_limit(p, target=target, inputs=inputs))

    try:
        meaning = f"any algorithm on P = {count} functions fixed beforehand, mean over directions"
        functions = Reference("R*(P)", limit(count), 0.0, meaning)
        if n is not None:
            meaning = f"methods in the span of n = {n} functions fixed by the inputs, mean"
            samples = Reference("R*(n)", limit(n), 0.0, meaning)
    except (RequirementError, NotImplementedError) as error:
        reasons.append(f"No lazy limit: {error}")
    try:
        if setting.x_train is not None:
            noise = float(setting.problem.noise)
            found = label_linear_limit(setting.x_train, target=target, noise=noise, inputs=inputs)
            meaning = "linear (not affine) in the labels, this training set, mean over directions"
            linear = Reference("L*(X)", float(found), found.error, meaning)
        elif n is not None:
            noise = float(setting.problem.noise)
            value = label_linear_estimate(n, target=target, noise=noise, inputs=inputs)
            meaning = "linear (not affine) in the labels, mean over training sets: an estimate"
            linear = Reference("L* (estimate)", value, math.nan, meaning)
    except (RequirementError, NotImplementedError) as error:
        reasons.append(f"No label-linear limit: {error}")
    return functions, samples, linear, reasons


def _worth(risk: RiskEstimate, setting: Setting) -> Worth | None:
    problem = setting.problem

    def functions(value: float) -> float:
        try:
            found = features_for_risk(value, target=problem.target, inputs=problem.inputs)
        except RequirementError:  # beyond what float64 resolves
            return math.inf
        return float(found)

    def samples(value: float) -> float:
        noise = float(problem.noise)
        try:
            return samples_for_risk(
                value, target=problem.target, noise=noise, inputs=problem.inputs
            )
        except RequirementError:
            return math.inf

    values = [risk.value, risk.high, risk.low]
    try:
        counts = [functions(value) if value > 0.0 else math.inf for value in values]
        numbers = [samples(value) if value > 0.0 else math.inf for value in values]
    except NotImplementedError:
        return None
    return Worth(*counts, *numbers)


def _verdict(
    network: Network,
    initial: Network | None,
    setting: Setting,
    seed: int = 0,
    *,
    by_degree: bool = False,
) -> Verdict:
    risk = risk_of(network, setting.problem, level=setting.level, seed=2 * seed)
    degrees = degrees_of(network, setting.problem) if by_degree else None

    def span() -> SpanRisk | None:
        if initial is None:
            return None
        return span_of(initial, setting.problem, 0.5 * setting.level, 2 * seed + 1)

    # the initial output of a layer is one of the span of its output features
    count = network.num_parameters + int(not isinstance(network, Layer))
    return verdict_beside(risk, span, count, setting, degrees)


def verdict_beside(
    risk: RiskEstimate,
    span: Callable[[], SpanRisk | None],
    count: int,
    setting: Setting,
    degrees: tuple[float, ...] | None = None,
) -> Verdict:
    """Returns the verdict on a network whose risk is known.

    Args:
      risk: of the network.
      span: computes the best risk in its own tangent span; it may refuse.
      count: number P of its parameters.
      setting: what it was trained on.
      degrees: of its risk, where they are known.
    """
    functions, samples, linear, reasons = _limits(count, setting)
    best = None
    try:
        best = span()
    except RequirementError as error:
        reasons.append(f"No tangent span: {error}")
    moment, worth = setting.problem.second_moment, _worth(risk, setting)
    return Verdict(risk, moment, degrees, best, functions, samples, linear, worth, tuple(reasons))


def certify(
    weights: Any,
    target: Any,
    *,
    initial: Any = None,
    inputs: str = "gaussian",
    num_train: Number | None = None,
    x_train: Any = None,
    noise: Number = 0.0,
    level: Number = LEVEL,
    direction_law: str | None = None,
    initial_law: str | None = None,
    data_law: str | None = None,
    activation: str = "relu",
    layout: str = "torch",
    prefactor: Prefactor = "standard",
    seed: int = 0,
) -> Verdict | Averages:
    """Says what a trained network has done that no lazy method can, and what its risk is worth.

    Args:
      weights: one network: arrays (W, u[, b]) of NumPy, JAX or PyTorch, a pair (function, params),
        or a module of Flax (Linen with its variables, NNX) or Equinox; or a list of independently
        trained ones.
      target: f*, one of :mod:`rf_limits.problem`; for a list one for all, or one each.
      initial: the network before training, in the same form (for modules: the module before
        training; for a pair: the parameters, or a pair); a list for a list. What the statement on
        a single run needs.
      inputs: law of x, ``"gaussian"`` or ``"sphere"`` of radius sqrt(d).
      num_train: number n of training samples, or None.
      x_train: (n, d) training inputs, or None; for a list one array each, or one for all.
      noise: standard deviation of the label noise in training.
      level: of intervals, of the verdict on one run, and of all certificates together.
      direction_law: ``"uniform"`` states that each run's target is a rotation that was drawn
        uniformly, independently of weights, inputs and other runs. For a list only.
      initial_law: ``"rotation_invariant"`` states that initial weights were drawn afresh for every
        run from a law that no rotation changes. For a list only.
      data_law: ``"rotation_invariant"`` states that training inputs were drawn afresh for every
        run, from ``inputs``. For a list only.
      activation: of arrays, like the next two; a name.
      layout: ``"torch"``, W is (N, d), or ``"flax"``, (d, N).
      prefactor: the name of a parameterization, whose factors stand before W, b and u, or a
        number before the sum.
      seed: draws the test inputs of sampled risks and spans.

    Returns:
      :class:`~rf_limits.verdicts.verdict.Verdict` of one network, with its risk by degree;
      :class:`~rf_limits.verdicts.averages.Averages` of a list, with certificates of the means
      under the premises that are stated.

    Raises:
      RequirementError: weights of no known form, or that do not go with the target; a premise that
        is no known one.
    """
    level = checked_level(level)
    options = {"activation": activation, "layout": layout, "prefactor": prefactor}
    premises = Premises(direction_law, initial_law, data_law)
    if not isinstance(weights, list):
        premises.check_unused()
        single = not isinstance(target, (list, tuple))
        check(single, "target", "be one, of one network", target)
        setting = _setting(target, inputs, noise, num_train, x_train, level)
        pair = _networks(weights, initial, setting, options)
        return _verdict(*pair, setting, seed, by_degree=True)
    count = len(weights)
    check(count > 0, "weights", "be at least one network", count)
    targets = _each(list(target) if isinstance(target, tuple) else target, count, "target")
    starts = _each(initial, count, "initial")
    data = _each(x_train, count, "x_train")
    settings = [
        _setting(goal, inputs, noise, num_train, x, level)
        for goal, x in zip(targets, data, strict=True)
    ]
    networks = [
        _networks(one, start, setting, options)
        for one, start, setting in zip(weights, starts, settings, strict=True)
    ]
    runs = [
        _verdict(*pair, setting, seed * count + i)
        for i, (pair, setting) in enumerate(zip(networks, settings, strict=True))
    ]
    draws = Draws.seen(
        [setting.problem for setting in settings],
        [network.params for network, _ in networks],
        [start.params for _, start in networks if start is not None],
        [setting.x_train for setting in settings if setting.x_train is not None],
    )
    return averages(runs, premises, draws, level)


def _each(value: Any, count: int, name: str) -> list[Any]:
    """Returns one value for each of several networks."""
    if not isinstance(value, list):
        return [value] * count
    check(len(value) == count, name, f"be one for each of the {count} networks", len(value))
    return list(value)


def _networks(
    weights: Any, initial: Any, setting: Setting, options: dict[str, Any]
) -> tuple[Network, Network | None]:
    """Returns a network and what it was before training."""
    dim = setting.problem.dim
    network = network_of(weights, dim, **options)
    if initial is None:
        return network, None
    pair = isinstance(weights, tuple) and len(weights) == 2 and callable(weights[0])
    given = isinstance(initial, tuple) and len(initial) == 2 and callable(initial[0])
    if pair and not given:
        initial = (weights[0], initial)
    start = network_of(initial, dim, **options)
    shapes = [jax.tree.map(np.shape, one.params) for one in (network, start)]
    check(shapes[0] == shapes[1], "initial", "be the same network before training", shapes[1])
    return network, start
