"""Every method is known to every part of the package, by its entry alone."""

import ast
import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import rf_limits
from rf_limits import RequirementError, plot, train
from rf_limits.analysis.limits import limit_curve
from rf_limits.analysis.tables import CELL
from rf_limits.analysis.verdict import verdict_of_study
from rf_limits.figures.headline import against_functions, headline
from rf_limits.methods import METHODS, NETWORK, NTK, FixedKernel, Kind, Method
from rf_limits.methods.random_features import RandomFeatures
from rf_limits.report import tables
from rf_limits.report.limits import with_limits
from tests.experiments.conftest import small_config

PACKAGE = Path(rf_limits.__file__).parent


class Laplace(FixedKernel):
    """exp(-|x - z|)."""

    def kernel(self, left, right):
        """Between the rows."""
        return jnp.exp(-jnp.linalg.norm(left[:, None] - right[None], axis=2))


OWN = Laplace(
    key="own_kernel", label="kernel of one's own", short="own", colour="#600060", marker="*"
)
BUILT_IN = tuple(METHODS.values())
ENTRIES = {**METHODS, OWN.key: OWN}


@pytest.fixture(scope="module")
def result():
    """A run of every method, one of the user's own among them."""
    METHODS.add(OWN)
    config = small_config()
    config.model.widths, config.seeds = (4, 8), 2
    config.predictors.methods, config.predictors.ridge = tuple(METHODS), 0.05
    config.training.steps = 20
    yield train(config)
    del METHODS[OWN.key]


def texts(figure):
    """The entries of all legends."""
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
    return {text.get_text() for legend in legends if legend for text in legend.get_texts()}


@pytest.mark.parametrize("method", ENTRIES.values(), ids=str)
def test_tables_have_it(result, method):
    rows = method.rows(result.metrics)
    assert len(rows)
    differing = [name for name in ("width", "lazy_scale") if rows[name].notna().any()]
    assert tuple(differing) == method.kind.columns
    table = result.table()
    title, heads, cells = result.config.findings(result).table
    assert title
    place = heads.index(method.short)
    assert len(cells) == len(table) == 4
    assert all(np.isfinite(float(row[place])) for row in cells)
    (shown,) = {c[0] for c in tables.ends(result.metrics).rows if c[0].method == method.key}
    assert shown == method.label


@pytest.mark.parametrize("method", ENTRIES.values(), ids=str)
def test_figures_have_it(result, method):
    def is_in(figure):
        return any(text.startswith(method.label) for text in texts(figure))

    figures = plot(result)
    assert is_in(figures["risk_against_width"])
    # what is fitted for every width has no time; degrees are known where risks are exact
    assert is_in(figures["risk_against_time"]) == (method.kind is not Kind.FITTED)
    assert is_in(figures["unlearned_by_degree"])
    assert is_in(headline(result.metrics, limit_curve(result.config, 100)))


@pytest.mark.parametrize("method", ENTRIES.values(), ids=str)
def test_limits_count_it(result, method):
    rows = method.rows(result.metrics)
    assert rows["samples_limit"].notna().any()
    assert rows["features_limit"].notna().any() == (method.features_column is not None)
    config = result.config.to_json()
    final, curves = with_limits(result.metrics.assign(**{CELL: "run"}), {"run": config})
    assert method.rows(final)["fixed_functions"].notna().all()
    assert any(text.startswith(method.label) for text in texts(against_functions(final, curves)))


@pytest.mark.parametrize("method", ENTRIES.values(), ids=str)
def test_predictors_have_it(result, method):
    of = {"width": 8, "lazy_scale": 0.5}
    named = {name: of[name] for name in method.kind.columns}
    predicted = result.predict(result.data(0).x_train, method.key, **named)
    rows = method.rows(result.metrics)
    rows = rows[
        (rows["seed"] == 0) & (rows[list(named)] == pd.Series(named, dtype=float)).all(axis=1)
    ]
    loss = float(np.mean((predicted - result.data(0).y_train) ** 2))
    last = rows["step"].eq(rows["step"].max()) | np.isinf(rows["time"].astype(float))
    rows = rows[rows["step"].isna() | last.fillna(True)]
    rows = rows[rows["train_loss"].notna()]
    np.testing.assert_allclose(loss, float(rows["train_loss"].iloc[-1]), rtol=1e-4)


def test_the_report_compares_networks_with_all_that_keep_their_features(result):
    metrics = result.metrics
    for method in ENTRIES.values():
        if method is NETWORK:
            continue
        two = metrics[metrics["method"].isin([NETWORK.key, method.key])]
        first, *_ = verdict_of_study(two.assign(target="neuron"), ("target",))
        assert "networks end below the best beside them" in first


def test_remarks_say_where_risks_of_kernels_are_from(result):
    assert f"of kernels: exact; of {OWN.label}: test set." in result.remarks()[0]


def test_remarks_say_that_features_were_measured_on_the_test_set():
    """The risks of networks beside them are exact."""

    class Sampled(RandomFeatures):
        """Random features whose risk is a mean over the test set."""

        def fit(self, problem):
            return super().fit(problem._replace(exact=None))

    sampled = Sampled(
        key="sampled", label="sampled", short="s", colour="#600061", marker="*", line=":"
    )
    METHODS.add(sampled)
    try:
        config = small_config()
        config.training.steps = 4
        config.predictors.methods = ("network", "random_features", "sampled")
        units = train(config).remarks()[0]
    finally:
        del METHODS[sampled.key]
    assert "Risks of networks and features: exact; of sampled: test set." in units


def test_r_star_of_n_does_not_bound_a_kernel_that_rotations_change(result):
    row = {"method": OWN.key, "step": None}
    assert OWN.fixed_functions(result.config, row).samples == 40
    other = dataclasses.replace(OWN, is_rotation_invariant=False)
    assert other.fixed_functions(result.config, row).samples == np.inf


def test_one_entry_has_one_look():
    for field in ("key", "label", "short", "colour", "marker"):
        assert len({getattr(method, field) for method in BUILT_IN}) == len(BUILT_IN), field


def test_a_method_is_under_its_key():
    with pytest.raises(RequirementError, match="METHODS must have the method 'ntk' under its key"):
        METHODS["kernel"] = NTK


_KERNELS = {
    "models/infinite_width.py",
    "models/zonal_kernels.py",
    "theory/spectra/kernel_spectrum.py",
}
_PARAMETERIZATIONS = {
    "config/training.py",
    "models/network.py",
    "studies/chizat.py",
    "studies/coupling.py",
    "studies/lazy_width.py",
    "studies/polynomials.py",
}
_ARGUMENTS = {
    "models/scaled_network.py",
    "models/zonal_kernels.py",
    "training/closed_form.py",
    "training/networks.py",
}
_EXPORTS = {"models/__init__.py"}
ALLOWED = {
    "network": _ARGUMENTS | {"studies/single_neuron.py"},
    "random_features": _EXPORTS,
    "tangent_features": _EXPORTS,
    "nngp": _KERNELS | {"theory/spectra/feature_kernels.py"},
    "ntk": _KERNELS | _PARAMETERIZATIONS | {"models/ensemble_loss.py", "studies/regimes.py"},
}
"""Files in which the word is something else: a kernel, a parameterization, a regime, a student, a
function or an argument."""


def test_no_other_file_has_a_key_of_a_method():
    found, allowed = set(), set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Constant) or node.value not in METHODS:
                continue
            file = Path(type(METHODS[node.value]).__module__.replace(".", "/")).name
            entry = f"methods/{file}.py"
            if name != entry:
                at = allowed if name in ALLOWED.get(node.value, ()) else found
                at.add((name, node.value))
    assert not found
    assert allowed == {(name, key) for key, names in ALLOWED.items() for name in names}


def test_a_method_must_say_how_it_is_computed():
    with pytest.raises(TypeError, match="abstract"):
        FixedKernel(key="a", label="a", short="a", colour="#000000", marker="o")
    assert issubclass(Laplace, Method)
