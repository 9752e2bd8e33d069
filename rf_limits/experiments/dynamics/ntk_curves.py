"""Train and test error of growing networks over the infinite-width predictions, in time.

Three parts: networks trained in both layers on fixed data, over the NTK's ensemble; trained in
the output layer alone, over the NNGP's; and trained on the population at a large lazy scale,
over the exact degree-by-degree theory.
"""

import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from rf_limits.config import accepts_builder
from rf_limits.experiments.config import TrainingConfig
from rf_limits.experiments.doubts import doubts
from rf_limits.experiments.dynamics.configs import NtkCurvesConfig
from rf_limits.experiments.fits import exponents, interval
from rf_limits.experiments.result import Report, Result, no_report
from rf_limits.experiments.seeds import check_told_apart, over_seeds, words_of_seeds
from rf_limits.experiments.study import Member, Study, member, validate_members
from rf_limits.experiments.tables import (
    degree_names,
    final_rows,
    short_number,
    summary_rows,
    with_scale,
)
from rf_limits.experiments.training import Training
from rf_limits.methods import NETWORK, NNGP, NTK, keys_of
from rf_limits.models.ensemble_loss import ensemble_loss
from rf_limits.models.zonal_kernels import zonal_kernels
from rf_limits.theory import zonal_spectrum
from rf_limits.theory.dynamics.lazy_dynamics import population_dynamics
from rf_limits.training.optimizers import parse_optimizer

LABELS = ("part",)
PARTS = (NTK.key, NNGP.key, "population")
THEORY = "theory"  # value of column "method"
_FINE = 4  # theory is given at this many times per log point
_THEORY_DEGREES = 200


@accepts_builder
def study_members(config: NtkCurvesConfig) -> list[Member]:
    """The training runs of the study."""
    population = config.population
    return [
        member(config, {"part": NTK.key}),
        member(config, {"part": NNGP.key}, model__trainable="output"),
        member(
            config,
            {"part": "population"},
            {
                "problem.dim": "population.dim",
                "model.widths": "population.widths",
                "model.lazy_scales": "population.lazy_scale",
                "seeds": "population.seeds",
            },
            data__kind="population",
            problem__dim=population.dim,
            model__widths=tuple(population.widths),
            model__lazy_scales=(population.lazy_scale,),
            model__centring="subtract",
            measure__exact=True,
            measure__infinite_width=False,
            measure__max_degree=population.max_degree,
            seeds=population.seeds,
        ),
    ]


@accepts_builder
def validate(config: NtkCurvesConfig) -> None:
    """Checks what concerns several fields.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    validate_members(study_members(config))


def _theory(one: Member, prepared: Training) -> pd.DataFrame:
    """Rows of the infinite-width theory of one part, over the times of its widest network."""
    config, widest = one.config, prepared.widths[-1]
    scales = config.model.lazy_scales
    count = _FINE * config.training.log_points
    steps = np.concatenate([[0.0], np.geomspace(1.0, config.training.steps, count)])
    tables = []
    for rate, scale in zip(widest.learning_rates[0], scales, strict=True):
        times = float(rate) * steps
        if one.labels["part"] == "population":
            table = _population_rows(config, prepared, times)
        else:
            table = _ensemble_rows(config, prepared, times, one.labels["part"], float(scale))
        tables.append(table.assign(lazy_scale=scale) if len(scales) > 1 else table)
    return pd.concat(tables, ignore_index=True)


def _population_rows(config: TrainingConfig, prepared: Training, times: np.ndarray) -> pd.DataFrame:
    network, dim = prepared.widths[-1].network, config.problem.dim
    kernel = zonal_kernels(network, dim, _THEORY_DEGREES, config.model.trainable)[NTK.key]
    target = zonal_spectrum(dim, _THEORY_DEGREES)
    flow = parse_optimizer(config.training.optimizer).is_gradient_flow
    rate = None if flow else float(prepared.widths[-1].learning_rates[0, 0])
    found = population_dynamics(kernel, target, times, norm=config.problem.norm, learning_rate=rate)
    degrees = found.degrees[:, : config.measure.max_degree + 1]
    last = (found.risk - degrees.sum(axis=1))[:, None]
    names = [n for n in degree_names(config.measure.max_degree) if n.startswith("risk")]
    table = pd.DataFrame(np.concatenate([degrees, last], axis=1), columns=names)
    return table.assign(method=THEORY, time=times, risk=found.risk)


def _ensemble_rows(
    config: TrainingConfig, prepared: Training, times: np.ndarray, method: str, alpha: float
) -> pd.DataFrame:
    limit, sets = prepared.widths[-1].infinite, prepared.seeded.data
    data = {name: value[0] for name, value in sets._asdict().items()}
    columns: dict[str, Any] = {"method": THEORY, "time": times}
    for name, x, y in (("train_loss", "x_train", "y_train"), ("test_loss", "x_test", "y_test")):
        found = ensemble_loss(
            limit.network,
            data["x_train"],
            data["y_train"],
            data[x],
            data[y],
            jnp.asarray(times),
            method=method,
            alpha=alpha,
            supplier=limit.supplier,
        )
        columns |= {name: np.asarray(found.mean), f"{name}_std": np.asarray(found.std)}
    return pd.DataFrame(columns)


@accepts_builder
def prepare(config: NtkCurvesConfig, report: Report = no_report) -> Study:
    """Checks the config and prepares the three parts.

    Raises:
      RequirementError: a config that cannot be run.
    """
    validate(config)
    return Study(study_members(config), report, _theory)


def population_distance(metrics: pd.DataFrame) -> pd.DataFrame:
    """Largest distance over time of each network's risk from the theory, relative to E f*^2.

    Returns:
      Columns width, seed, distance: sup_t |risk(t) - theory(t)|/risk(0), with the theory
      interpolated between its times; mean_distance: the same of the mean over seeds;
      spread: the standard deviation over seeds at the time of that largest distance.
    """
    part = metrics[metrics["part"] == "population"]
    theory = part[part["method"] == THEORY].sort_values("time")
    networks = NETWORK.rows(part)
    rows = []
    for width, group in networks.groupby("width"):
        risks = group.set_index(["time", "seed"])["risk"].unstack()  # noqa: PD010
        at = np.interp(risks.index, theory["time"], theory["risk"].astype(float))
        start = float(theory["risk"].iloc[0])
        gaps = (risks.to_numpy() - at[:, None]) / start
        mean = np.abs(gaps.mean(axis=1))
        worst = int(np.argmax(mean))
        deviation = float(gaps[worst].std(ddof=1)) if gaps.shape[1] > 1 else float("nan")
        for seed, column in zip(risks.columns, gaps.T, strict=True):
            row = {"width": int(width), "seed": int(seed), "distance": np.abs(column).max()}
            rows.append(row | {"mean_distance": mean[worst], "spread": deviation})
    return pd.DataFrame(rows, columns=["width", "seed", "distance", "mean_distance", "spread"])


def fits(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """Exponents in width of the distances to theory, largest over time, by part and scale."""
    rows = []
    networks = NETWORK.rows(metrics)
    for part, scale in itertools.product(keys_of((NTK, NNGP)), scales_of(metrics)):
        group = networks[(networks["part"] == part) & (networks["lazy_scale"] == scale)]
        found = exponents(_suprema(group, skipna=True), ["width"], "ntk_gap")
        if found is not None:
            row = {"part": part, "lazy_scale": scale, "measurement": "sup_ntk_gap"}
            rows.append({**row, **found})
    found = exponents(population_distance(metrics), ["width"], "distance")
    if found is not None:
        rows.append({"part": "population", "measurement": "sup_risk_distance", **found})
    return rows


def scales_of(metrics: pd.DataFrame) -> list[float]:
    """Lazy scales of the parts on fixed data, ascending."""
    fixed = NETWORK.rows(metrics[metrics["part"] != "population"])
    return sorted(map(float, fixed["lazy_scale"].unique()))


def _suprema(group: pd.DataFrame, *, skipna: bool) -> pd.DataFrame:
    """Largest distance over time of every network of one part and lazy scale."""
    check_told_apart(group, ["width", "seed", "step"])
    return group.groupby(["width", "seed"])["ntk_gap"].max(skipna=skipna).reset_index()


def summary(result: Result) -> dict[str, Any]:
    """What summary.json holds: exponents, agreement on the population, means at the end."""
    distance = population_distance(result.metrics)
    kept = ["width", "mean_distance", "spread"]
    return {
        "choices": result.choices,
        "exponents": fits(result.metrics),
        "population": distance[kept].drop_duplicates().to_dict("records"),
        "final": summary_rows(result.metrics[result.metrics["method"] != THEORY], LABELS),
    }


def printed_table(metrics: pd.DataFrame) -> tuple[str, list[str], list[list[str]]]:
    """Largest distance to the theory by width and part."""
    networks = NETWORK.rows(metrics)
    cells = []
    scales = scales_of(metrics)
    for part, scale in itertools.product(keys_of((NTK, NNGP)), scales):
        group = networks[(networks["part"] == part) & (networks["lazy_scale"] == scale)]
        suprema = _suprema(group, skipna=False)
        largest = over_seeds(suprema, "width")["ntk_gap"].mean(skipna=False)
        final = over_seeds(final_rows(group, LABELS), "width")
        ends = final[["train_loss", "test_loss"]].mean(skipna=False)
        for width, gap in largest.items():
            end = ends.loc[width]
            values = (gap, end["train_loss"], end["test_loss"])
            name = with_scale(part, scale, scales)
            cells.append([name, str(width), *(short_number(float(v)) for v in values)])
    group = networks[networks["part"] == "population"]
    ends = over_seeds(final_rows(group, LABELS), "width")["risk"].mean(skipna=False)
    distance = population_distance(metrics)
    largest = over_seeds(distance, "width")["distance"].mean(skipna=False)
    for width, gap in largest.items():
        cells.append(["population", str(width), short_number(gap), "-", short_number(ends[width])])
    over = words_of_seeds(networks)
    title = f"Largest distance to the theory over time, and losses at the end: {over}"
    return title, ["part", "N", "distance", "train", "test"], cells


def remarks(result: Result) -> list[str]:
    """Lines under the table."""
    lines, scales = [], scales_of(result.metrics)
    for row in fits(result.metrics):
        name = row["part"]
        if "lazy_scale" in row:
            name = with_scale(name, row["lazy_scale"], scales)
        lines.append(f"{name}: distance ~ N^{interval(row, 'width')}.")
    for _, widest in population_distance(result.metrics).tail(1).iterrows():
        spread = widest["spread"]
        deviation, what = "", "risk"
        if math.isfinite(spread):  # of one seed there is none
            what = "mean risk"
            deviation = f" (standard deviation over seeds there: {short_number(spread)})"
        lines.append(
            f"Population, N = {widest['width']:.0f}: {what} within "
            f"{short_number(widest['mean_distance'])} E f*^2 of the theory at all times{deviation}."
        )
    return lines + doubts(result.metrics[result.metrics["method"] != THEORY], LABELS)
