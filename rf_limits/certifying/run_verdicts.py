"""Verdicts on every network of a finished training run, which is trained again from its config."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rf_limits.analysis.tables import final_rows
from rf_limits.api import TrainingResult, train
from rf_limits.errors import RequirementError, check
from rf_limits.measure.neuron_risk import exact_risk
from rf_limits.measure.own_span import own_span
from rf_limits.methods import NETWORK
from rf_limits.models import Params, ScaledNetwork
from rf_limits.report.sources import FLAG, Source, find
from rf_limits.studies.training import Training
from rf_limits.table import Cell, Table
from rf_limits.verdicts.certify import Setting, verdict_beside
from rf_limits.verdicts.forms import Function
from rf_limits.verdicts.risks import LEVEL, RiskEstimate, sampled
from rf_limits.verdicts.span import SpanRisk, sampled_span
from rf_limits.verdicts.verdict import Verdict


class NetworkVerdict(NamedTuple):
    """The verdict on one network of a run, by width, lazy scale and seed."""

    width: int
    lazy_scale: float
    seed: int
    verdict: Verdict

    @property
    def name(self) -> str:
        """Returns the network in words."""
        return f"N = {self.width}, alpha = {self.lazy_scale:g}, seed {self.seed}"


class RunVerdicts(NamedTuple):
    """The verdicts on all networks of a run.

    Attributes:
      name: of the run.
      networks: their verdicts.
      note: how the weights were had.
    """

    name: str
    networks: list[NetworkVerdict]
    note: str

    def table(self) -> Table:
        """Returns a row for every network: its risk, its own span, the limits and its worth."""
        columns = ["N", "alpha", "seed", "risk", "own span", "below", "R*(P)", "R*(n)", "L*(X)"]
        rows = [
            [
                *map(Cell.of, (entry.width, entry.lazy_scale, entry.seed)),
                *map(Cell.of, _numbers(entry.verdict)),
            ]
            for entry in self.networks
        ]
        return Table("Population risk beside limits", [*columns, "worth"], rows)

    def sentences(self) -> list[str]:
        """Returns how many networks are below their own span, and what is missing."""
        spans = [entry.verdict for entry in self.networks if entry.verdict.own_span is not None]
        below = sum(verdict.below_own_span for verdict in spans)
        excluded = (
            f"{below} of {len(spans)} networks are below the best risk in the span of their own "
            "initial tangent features: no linear combination of them and the initial "
            "output reaches their risk. Methods on "
            "other features are not excluded. All other limits are means over directions, "
            "reference lines for one run. Worth: functions that a lazy method needs at least for "
            "this risk, on average over directions."
        )
        reasons = (line for entry in self.networks for line in entry.verdict.reasons)
        return [excluded, self.note, *dict.fromkeys(reasons)]


def _numbers(verdict: Verdict) -> tuple[Any, ...]:
    span = verdict.own_span
    limits = (verdict.limit_functions, verdict.limit_samples, verdict.label_linear)
    return (
        verdict.risk.value,
        None if span is None else span.value,
        None if span is None else ("yes" if verdict.below_own_span else "no"),
        *(None if limit is None else limit.value for limit in limits),
        None if verdict.worth is None else verdict.worth.functions,
    )


def run_verdicts(workdir: str, max_seconds: float) -> RunVerdicts:
    """Returns the verdicts on all networks of a finished training run.

    A run keeps no weights once it is done: its config is trained again.

    Args:
      workdir: of the run.
      max_seconds: that training may take, by the time that the run took.

    Raises:
      RequirementError: no finished training run, or one that takes longer.
    """
    sources = find([workdir])
    check(len(sources) == 1, FLAG, "hold one run", f"{len(sources)} runs in {workdir}")
    source = sources[0]
    check(source.state == "done", FLAG, "hold a finished run", f"{workdir}, {source.state}")
    config = source.resolved()
    made = isinstance(config, Training)
    check(made, FLAG, "hold a training run", f"one of {source.experiment}")
    assert isinstance(config, Training)
    seconds = source.facts.get("wall_time_s")
    if seconds is None:
        seconds = config.estimate().seconds
    if seconds > max_seconds:
        line = f"must be at least the {seconds:.0f} s of training again, but received"
        raise RequirementError(f"{line} {max_seconds:g}.", field="--max_seconds")
    result = train(config)
    networks = [
        NetworkVerdict(width, scale, seed, _verdict(result, width, scale, seed))
        for width in sorted(config.model.widths)
        for scale in map(float, config.model.lazy_scales)
        for seed in range(config.seeds)
    ]
    return RunVerdicts(source.name, networks, _note(source, networks))


def _note(source: Source, networks: list[NetworkVerdict]) -> str:
    """Says that networks were trained again, and how far their risks are from the run's table."""
    rows = final_rows(source.read().metrics)
    rows = rows[rows["method"] == NETWORK.key]
    kept = {(row.width, row.lazy_scale, row.seed): row.risk for row in rows.itertuples()}
    apart = [
        abs(entry.verdict.risk.value / kept[key] - 1.0)
        for entry in networks
        if (key := (entry.width, entry.lazy_scale, entry.seed)) in kept
    ]
    difference = f"at most {max(apart):.1e} (relative)" if apart else "not known"
    return (
        "A finished run keeps no weights: its networks were trained again from its config. "
        f"Difference of their risks from the run's table: {difference}."
    )


@functools.partial(jax.jit, static_argnums=0)
def _risk(problem: Any, f: ScaledNetwork, change: Params) -> jax.Array:
    risks = exact_risk(f.network, problem)
    assert risks is not None  # the caller asked
    return risks.network(f, change).risk


def _verdict(result: TrainingResult, width: int, lazy_scale: float, seed: int) -> Verdict:
    """Returns the verdict on f = alpha (g - [centred] g_0), from the change of its parameters."""
    change, init = result.predictors.change(NETWORK.key, width, lazy_scale, seed)
    networks = {run.network.width: run.network for run in result.predictors.training.widths}
    f, problem = ScaledNetwork(networks[width], init, jnp.asarray(lazy_scale)), result.problem
    layers = result.config.model.trainable
    if exact_risk(f.network, problem) is not None:
        # runs are refused at scales where rounding is more than this (largest_exact_scale)
        rounding = 1e-6 * problem.second_moment
        risk = RiskEstimate(float(_risk(problem.noiseless, f, change)), rounding=rounding)
    else:
        risk = sampled(Function(lambda p, x: f.after(p, x), change), problem, LEVEL, 2 * seed)

    def span() -> SpanRisk | None:
        best = own_span(f.network, init, problem, layers)
        if best is not None:
            low = max(best.risk - abs(best.error), 0.0)
            return SpanRisk(best.risk, low, best.num_features, True)
        check(layers == "both", "model.trainable", "be both for a sampled tangent span", layers)
        return sampled_span(Function(f.network.value, init), problem, 0.5 * LEVEL, 2 * seed + 1)

    inner = init["params"]
    trained = {name: layers in ("both", name.partition("_")[0]) for name in inner}
    count = sum(leaf.size for name, leaf in inner.items() if trained[name])
    x_train = np.asarray(result.data(seed).x_train)
    return verdict_beside(risk, span, count, Setting(problem, len(x_train), x_train, LEVEL))
