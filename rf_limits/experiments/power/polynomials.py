"""What random features can learn: polynomials, by SGD in the paper's two regimes and by features.

Networks are trained by one-pass SGD with the hidden layer moving alone (u_i = +-1) or with all
layers moving from u = 0, beside SGD on the random features of each regime; random features, tangent
features and kernels are fitted to n samples. The targets are polynomials of one degree and, for
contrast, a ReLU neuron of the same norm. Beside them stand the step size, steps and width that
the paper's argument asks for with means in the place of suprema, an estimate
(:mod:`rf_limits.theory.guarantees.sgd_regret`): Gaussian inputs have no suprema.
"""

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.fits import steps_to_threshold
from rf_limits.experiments.keep import NO_KEEP, Keep
from rf_limits.experiments.power.configs import PolynomialsConfig
from rf_limits.experiments.power.regimes import COUPLED, REGIMES
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import SEED, check_told_apart, over_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    final_rows,
    means_over,
    short_number,
    summary_rows,
    with_scale,
)
from rf_limits.experiments.training import Training
from rf_limits.methods import METHODS, NETWORK, Kind, keys_of
from rf_limits.problem.polynomial_kinds import (
    BY_COORDINATES,
    check_polynomial,
    largest_coefficient,
)
from rf_limits.theory.guarantees.sgd_regret import (
    MeanFeatures,
    mean_features,
    sgd_estimate,
    sgd_requirements,
)
from rf_limits.theory.spectra.coefficients import coefficients_by_degree

LABELS = ("target", "regime", "num_train")
NEURON = "neuron"
FITTED = "fitted"
"""Regime of members in which nothing is trained."""
ESTIMATE = "estimate"
"""Value of column "method" where rows hold what the argument gives with means for suprema."""
FEATURES = {"hidden": "hidden", "all": "output", "ntk": "output"}
"""By regime, whose gradients or values its random features are."""
_FITTED_METHODS = METHODS.default(Kind.FITTED, Kind.KERNEL)
_ASKED = ("learning_rate", "steps", "width")
_DEGREES = 60
RISK_ERROR = "risk_standard_error"
TEST_MOMENTS = "test_moments"
"""Choice: by target with sampled risks, means of f*^2 over test sets, over E f*^2."""
_FAR = 0.2  # a test set whose mean of f*^2 is off by more is worth a line


def parse_target(name: str, dim: int) -> tuple[str, int]:
    """Kind and degree of ``"harmonic_2"``; ``("neuron", 0)`` for ``"neuron"``.

    Raises:
      RequirementError: naming ``targets``.
    """
    if name == NEURON:
        return NEURON, 0
    kind, _, degree = str(name).rpartition("_")
    check(degree.isdigit(), "targets", 'hold entries like "harmonic_2" or "neuron"', name)
    try:
        check_polynomial(kind, int(degree), dim)
    except RequirementError as error:
        raise RequirementError(f"targets: for {name!r} {error}") from error
    return kind, int(degree)


def _target_fields(config: PolynomialsConfig, name: str) -> dict[str, Any]:
    """Fields of the problem: E f*^2 = 1, or the largest coefficient as asked for."""
    kind, degree = parse_target(name, config.problem.dim)
    if kind == NEURON:
        return {"problem__target": "single_neuron", "problem__norm": math.sqrt(2.0)}
    norm = 1.0
    if config.largest_coefficient is not None:
        requirement = f"be None for {name!r}, which is no polynomial in some of the coordinates"
        given = config.largest_coefficient
        check(kind in BY_COORDINATES, "largest_coefficient", requirement, given)
        norm = config.largest_coefficient / largest_coefficient(kind, degree)
    fields = {"polynomial": kind, "degree": degree, "norm": norm, "target": "polynomial"}
    return {f"problem__{key}": value for key, value in fields.items()}


@accepts_builder
def study_members(config: PolynomialsConfig) -> list[Member]:
    """The training runs of the study."""
    members = []
    most = max(config.nums_train)
    given = {"data.num_train": "nums_train"}
    for name in config.targets:
        problem = _target_fields(config, name)
        for regime in config.regimes:
            # the coupled run alone: measurements are what takes time
            methods = {"predictors__methods": keys_of((NETWORK, COUPLED[regime]))}
            fields = {**problem, **REGIMES[regime], **methods, "data__num_train": most}
            labels = {"target": name, "regime": regime, "num_train": most}
            members.append(member(config, labels, given, **fields))
        for n in config.nums_train:
            fields = {
                **problem,
                "data__num_train": n,
                "predictors__methods": keys_of(_FITTED_METHODS),
            }
            fields["model__widths"] = (max(config.model.widths),)
            labels = {"target": name, "regime": FITTED, "num_train": n}
            members.append(member(config, labels, given, **fields))
    return members


@accepts_builder
def validate(config: PolynomialsConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    requirement = "be at least 2: the estimate is by harmonics"
    check(config.problem.dim >= 2, "problem.dim", requirement, config.problem.dim)
    check_choice(config.data.kind, ("stream",), "data.kind")
    check_choice(config.model.activation, ("relu",), "model.activation")
    check_choice(config.model.parameterization, ("ntk",), "model.parameterization")
    validate_members(study_members(config))


@functools.cache
def _features(features: str, dim: int, bias: bool) -> MeanFeatures:
    return mean_features(features, dim, _DEGREES, bias=bias)


def _target_degrees(prepared: Training) -> np.ndarray:
    """E f*_k^2 on the sphere of radius sqrt(d), and the rest."""
    target = prepared.problem.target
    found = coefficients_by_degree(target, _DEGREES, target.second_moment("sphere"), "sphere")
    return np.append(found.weights, max(found.total - float(found.weights.sum()), 0.0))


def _estimate(accuracy: float, one: Member, prepared: Training) -> pd.DataFrame:
    """Estimated mean risk over steps of SGD on the regime's features, and what accuracy asks."""
    config, regime = one.config, one.labels["regime"]
    if regime == FITTED:
        return pd.DataFrame()
    features = _features(FEATURES[regime], config.problem.dim, config.model.bias)
    degrees = _target_degrees(prepared)
    asked = sgd_requirements(features, degrees, accuracy * float(degrees.sum()))
    rows, scales = [], config.model.lazy_scales
    for width, (j, scale) in itertools.product(prepared.widths, enumerate(scales)):
        rate = float(np.mean(width.learning_rates[:, j]))  # over seeds
        risk = sgd_estimate(
            features,
            degrees,
            learning_rate=rate,
            steps=config.training.steps,
            width=width.network.width,
            noise=config.problem.noise,
        )
        rows.append(
            {
                "method": ESTIMATE,
                "width": width.network.width,
                "risk": risk,
                "relative_risk": risk / float(degrees.sum()),
                "learning_rate": rate,
                "required_learning_rate": asked.learning_rate,
                "required_steps": asked.steps,
                "required_width": asked.width,
            }
            | ({"lazy_scale": scale} if len(scales) > 1 else {})
        )
    return pd.DataFrame(rows)


class Polynomials(Study):
    """The study, with sampled relative risks over the test set's own mean of f*^2.

    A polynomial of high degree has its second moment from inputs so rare that a test set may hold
    none: its mean of f*^2 is far from E f*^2, and risk over E f*^2 is not even 1 for f = 0. The
    ratio of both means over the same inputs is.
    """

    def run(self, report: Report = no_report, keep: Keep = NO_KEEP) -> Result:
        """As :meth:`Study.run`."""
        result = super().run(report, keep)
        metrics, moments = result.metrics, {}
        risk, error = (metrics[name].astype("float64") for name in ("risk", RISK_ERROR))
        for one, prepared in zip(self.members, self.trainings, strict=True):
            seeded = prepared.seeded
            squares = np.mean(np.asarray(seeded.data.y_test, np.float64) ** 2, axis=1)
            own = (metrics[list(one.labels)] == pd.Series(one.labels)).all(axis=1) & (error > 0.0)
            for seed, square in zip(seeded.seeds, squares, strict=True):
                rows = own & metrics["seed"].eq(seed).fillna(False).astype(bool)
                metrics.loc[rows, "relative_risk"] = risk[rows] / (square or np.nan)
                if rows.any():
                    ratios = moments.setdefault(one.labels["target"], [])
                    ratios.append(float(square) / prepared.problem.second_moment)
        return dataclasses.replace(result, choices={**result.choices, TEST_MOMENTS: moments})


@accepts_builder
def prepare(config: PolynomialsConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares every target, regime and number of samples.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    constants = {"batch_size": config.training.batch_size, "accuracy": config.accuracy}
    return Polynomials(
        study_members(config), report, functools.partial(_estimate, config.accuracy), constants
    )


def scales_of(metrics: pd.DataFrame) -> list[float]:
    """Lazy scales of what was trained, ascending."""
    networks = NETWORK.rows(metrics)
    return sorted(map(float, networks["lazy_scale"].unique()))


def practice(metrics: pd.DataFrame) -> pd.DataFrame:
    """What the estimate asks for beside what was needed, by target, regime and lazy scale.

    Returns:
      Columns target, regime, lazy_scale, ``asked_learning_rate``, ``asked_steps`` and
      ``asked_width`` for the accuracy of the study; ``learning_rate`` and ``steps`` of the widest
      network until its relative risk was as small (mean over seeds, NaN unless all reached it),
      ``rf_steps`` the same for SGD on its random features; ``width``: the smallest whose seeds all
      ended there (NaN: none).
    """
    accuracy = float(metrics["accuracy"].iloc[0])
    estimated = metrics[metrics["method"] == ESTIMATE]
    rows = []
    cases = itertools.product(
        estimated.groupby(["target", "regime"], sort=False), scales_of(metrics)
    )
    for ((target, regime), asked), scale in cases:
        own = metrics[(metrics["target"] == target) & (metrics["regime"] == regime)]
        own = own[own["lazy_scale"] == scale]
        widest = own["width"].max()
        # where there is one scale, the estimate does not say it
        asked = asked[asked["lazy_scale"].isna() | (asked["lazy_scale"] == scale)]
        last = asked[asked["width"] == widest].iloc[0]
        row = {"target": target, "regime": regime, "lazy_scale": scale}
        row |= {f"asked_{name}": float(last[f"required_{name}"]) for name in _ASKED}
        row["learning_rate"] = float(last["learning_rate"])
        for name, method in (("steps", NETWORK), ("rf_steps", COUPLED[regime])):
            found = steps_to_threshold(own[own["width"] == widest], accuracy, LABELS, method.key)
            check_told_apart(found, [SEED])
            row[name] = float(np.mean(found["steps"].to_numpy(float)))  # NaN stays
        final = final_rows(NETWORK.rows(own), LABELS)
        final = final.assign(learned=final["relative_risk"] <= accuracy)
        learned = over_seeds(final, "width")["learned"].all()
        row["width"] = float(min(learned[learned].index, default=math.nan))
        rows.append(row)
    return pd.DataFrame(rows)


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: asked for and needed, coefficients, means at the end."""
    metrics = result.metrics
    measured = metrics[metrics["seed"].notna()]
    sizes = {}
    for name in metrics["target"].unique():
        kind, _, degree = name.rpartition("_")
        sizes[name] = largest_coefficient(kind, int(degree)) if kind in BY_COORDINATES else math.nan
    estimated = metrics[metrics["method"] == ESTIMATE]
    columns = ["target", "regime", "width", "risk", "relative_risk"]
    if estimated["lazy_scale"].notna().any():
        columns.insert(3, "lazy_scale")
    return {
        "choices": result.choices,
        "largest_coefficient_at_norm_1": sizes,
        "asked_and_needed": practice(metrics).to_dict("records"),
        "estimates": estimated[columns].to_dict("records"),
        "final": summary_rows(measured, LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Relative risks at the end, widest networks and features, most samples."""
    measured = metrics[metrics["seed"].notna()]
    final = final_rows(measured, LABELS)
    final = final[(final["num_train"] == final["num_train"].max())]
    final = final[final["width"].isna() | (final["width"] == final["width"].max())]
    keys = ["target", "regime", "method", "lazy_scale"]
    # what is fitted has no lazy scale: it is the same beside each
    means = over_seeds(final, keys, dropna=False)["relative_risk"].mean(skipna=False)
    means = {(*key[:3], None if pd.isna(key[3]) else key[3]): v for key, v in means.items()}
    scales = scales_of(metrics)
    regimes = [r for r in metrics["regime"].unique() if r != FITTED]
    columns = [(r, m) for r in regimes for m in keys_of((NETWORK, COUPLED[r]))]
    columns += [(FITTED, m.key) for m in _FITTED_METHODS]
    cells = [
        [
            with_scale(target, scale, scales),
            *(
                short_number(
                    float(means.get((target, *c, None if c[0] == FITTED else scale), np.nan))
                )
                for c in columns
            ),
        ]
        for target, scale in itertools.product(metrics["target"].unique(), scales)
    ]
    heads = [name for r in regimes for name in (r, f"{r} RF")]
    over = means_over(int(measured["seed"].nunique()), "seed")
    return (
        f"Relative risk, N = {metrics['width'].max()}: {over}",
        ["target", *heads, *(m.short for m in _FITTED_METHODS)],
        cells,
    )


def remarks(result: Result) -> list[str]:
    """Lines under the table: what the estimate asks for, and what was needed."""
    accuracy = float(result.metrics["accuracy"].iloc[0])
    lines, scales = [], scales_of(result.metrics)
    for row in practice(result.metrics).to_dict("records"):
        needed = "not reached"
        if math.isfinite(row["steps"]):
            needed = f"{row['steps']:.0f} steps"
        if math.isfinite(row["width"]):
            needed += f", N = {row['width']:.0f}"
        rate, steps, width = (short_number(row[f"asked_{n}"]) for n in _ASKED)
        who = with_scale(f"{row['target']}, {row['regime']}", row["lazy_scale"], scales)
        lines.append(
            f"{who}: relative risk {accuracy:g} by the estimate "
            f"asks for {steps} steps of {rate} and N = {width}; needed: {needed}."
        )
    for target, ratios in result.choices.get(TEST_MOMENTS, {}).items():
        if max(abs(ratio - 1.0) for ratio in ratios) > _FAR:
            spread = " to ".join(short_number(f(ratios)) for f in (min, max))
            lines.append(
                f"{target}: E f*^2 over test sets is {spread} times the exact one: sampled "
                "relative risks are over the test set's own, and miss what its inputs miss; "
                "measure.exact = True makes those of networks and features exact."
            )
    measured = result.metrics[result.metrics["seed"].notna()]
    return lines + doubts(measured, LABELS)
