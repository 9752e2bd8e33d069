"""Optimizer specifications, stability limits, frozen layers, step sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rf_limits.errors import RequirementError
from rf_limits.models import make_network
from rf_limits.models.network import PARAMETERIZATIONS
from rf_limits.optimization.optimizers import make_optimizer, parse_optimizer
from rf_limits.optimization.step_size import (
    growth_factor,
    rates_by_scale,
    resolve_learning_rate,
    sharpness,
)
from rf_limits.training.run import prepare
from tests.experiments.conftest import small_config
from tests.models.drawn import drawn_params
from tests.rounding import rounding
from tests.variants import kept


def test_parsing():
    assert parse_optimizer("sgd").is_gradient_descent
    spec = parse_optimizer(" adamw(b1=0.95, weight_decay=1e-4) ")
    assert spec.name == "adamw"
    assert spec.arguments == {"b1": 0.95, "weight_decay": 1e-4}
    assert not parse_optimizer("sgd(momentum=0.9)").is_gradient_descent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adm", "Did you mean 'adam"),
        ("sgd(momentun=0.9)", "Did you mean 'momentum'"),
        ("sgd(0.9)", "must read like"),
        ("sgd(momentum=", "must read like"),
        ("adam(b1=2)", "b1 must be at least 0 and below 1"),
        ("sgd(momentum=open('x'))", "must read like"),
        ("optax.sgd", "must read like"),
        ("clip", "must be one of"),
        ("scale_by_rprop", "must be one of"),  # it climbs
        ("scale_by_learning_rate", "must be one of"),
        ("sgd(momentum=0.9, momentum=0.5)", "must name each argument once"),
        ("sgd(momentum=0.9, nesterov='False')", "nesterov must be True or False"),
        ("sgd(nesterov=1)", "nesterov must be True or False"),
        ("sgd(momentum=True)", "momentum must be a finite number"),
        ("adam(eps=-1.0)", "eps must be at least 0"),
        ("adam(mu_dtype='int32')", "mu_dtype must be one of"),
        ("adamw(mask='all')", "mask must be True or False"),
        ("adamw(weight_decay=-0.1)", "weight_decay must be at least 0"),
        ("adafactor(min_dim_size_to_factor=2.5)", "min_dim_size_to_factor must be a whole number"),
        ("noisy_sgd(seed='one')", "seed must be a whole number"),
        ("signum(beta=1.0)", "beta must be at least 0 and below 1"),
    ],
)
def test_refused_specifications(text, message):
    with pytest.raises(RequirementError, match=message):
        parse_optimizer(text)


@pytest.mark.parametrize("text", ["sgd", "sgd(momentum=0.6)", "sgd(momentum=0.6, nesterov=True)"])
@pytest.mark.parametrize(("share", "converges"), [(0.98, True), (1.02, False)])
def test_stability_limit_on_a_quadratic(text, share, converges):
    """Just below the limit the iteration on x^2 curvature/2 shrinks, just above it grows."""
    curvature = 3.0
    spec = parse_optimizer(text)
    optimizer = make_optimizer(spec, share * spec.stability_limit / curvature, "both")

    def step(_, carry):
        x, state = carry
        updates, state = optimizer.update(curvature * x, state, x)
        return x + updates, state

    @jax.jit
    def after(x):
        return jax.lax.fori_loop(0, 2000, step, (x, optimizer.init(x)))[0]

    x = after(1.0)
    assert (abs(float(x)) < 1e-6) == converges


@pytest.mark.parametrize("trainable", ["hidden", "output"])
@pytest.mark.parametrize("text", ["adamw(weight_decay=0.1)", "sgd(momentum=0.9)"])
def test_frozen_layers_do_not_move(trainable, text):
    params = drawn_params(make_network(4, use_bias=True), 3)
    optimizer = make_optimizer(parse_optimizer(text), 0.1, trainable)

    @jax.jit
    def step(params):
        grads = jax.tree.map(jnp.ones_like, params)
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        return optax.apply_updates(params, updates)

    after = step(params)["params"]
    for name, before in params["params"].items():
        moved = bool(np.any(after[name] != before))
        assert moved == name.startswith(trainable)


def test_learning_rates():
    curvature = float(jax.jit(sharpness)(np.diag([1.0, 6.0, 2.0])))
    np.testing.assert_allclose(curvature, 2.0, rtol=rounding(10 * 3))  # a decomposition
    curvature = 2.0
    sgd, adam = parse_optimizer("sgd"), parse_optimizer("adam")
    assert resolve_learning_rate(None, sgd, curvature) == 0.2
    assert resolve_learning_rate(0.99, sgd, curvature) == 0.99
    assert resolve_learning_rate(5.0, adam, curvature) == 5.0
    heavy = parse_optimizer("sgd(momentum=0.5)")
    assert resolve_learning_rate(1.4, heavy, curvature) == 1.4
    for value, spec, message in [
        (1.0, sgd, "must be below 1, where the linearized network starts to diverge"),
        (1.5, heavy, "must be below 1.5"),
        (None, adam, "must be a number for adam"),
    ]:
        with pytest.raises(RequirementError, match=message):
            resolve_learning_rate(value, spec, curvature)


def test_learning_rates_by_scale():
    assert rates_by_scale("auto", 3) == (None, None, None)
    assert rates_by_scale(0.5, 2) == (0.5, 0.5)
    assert rates_by_scale((0.5, 0.002), 2) == (0.5, 0.002)
    with pytest.raises(RequirementError, match=r"training\.learning_rate must"):
        rates_by_scale((0.5, 0.5), 3)


def test_growth_factor():
    assert growth_factor(100.0, 0.5) == 1.0
    np.testing.assert_allclose(growth_factor(0.01, np.sqrt(0.5)), 0.01, rtol=rounding(4))


@pytest.mark.parametrize("parameterization", kept(PARAMETERIZATIONS, ["mup"]))
def test_auto_is_stable_far_from_the_tangent_regime(parameterization):
    """alpha S = 0.02: the kernel grows a hundredfold, and training still ends near zero."""
    config = small_config()
    config.model.parameterization, config.model.widths = parameterization, (16,)
    size = 1.0 if parameterization in ("mean_field", "mup") else 4.0
    config.model.lazy_scales, config.precision = (0.02 / size,), "float64"
    config.measure.max_degree, config.training.steps = -1, 600
    config.predictors.methods = ("network",)
    final = prepare(config).run().metrics.query("step == 600")
    assert np.all(final["train_loss"] < 0.02)
    assert np.all(final["kernel_drift"] > 30.0)


def test_auto_ntk_gives_every_seed_and_width_the_same_time():
    config = small_config()
    config.data.seed, config.training.learning_rate = 0, "auto_ntk"
    rates = [one.learning_rates for one in prepare(config).widths]
    assert len(np.unique(np.concatenate(rates))) == 1
    config.data.kind, config.precision = "population", "float64"
    population = prepare(config).widths[0].learning_rates
    # mu_0 = d gamma_0 of the NTK in d = 5; the sample's largest eigenvalue is near it
    assert np.all(np.abs(np.log(population / rates[0][0, 0])) < 0.5)
    config.model.bias = True
    with pytest.raises(RequirementError, match="auto_ntk"):
        prepare(config)


@pytest.mark.parametrize("text", ["atol=0.0", "atol=-1e-8", "rtol=-1.0", "rtol=10.0", "atol=1.0"])
def test_tolerances_of_gradient_flow_that_mean_nothing(text):
    """Without an absolute one the integration never ended; negative and huge ones were taken."""
    name = text.partition("=")[0]
    with pytest.raises(RequirementError, match=f"{name} must lie between"):
        parse_optimizer(f"gradient_flow({text})")
    assert parse_optimizer("gradient_flow(rtol=0.0)").arguments == {"rtol": 0.0}


def test_noise_without_a_key_is_drawn_without_a_warning():
    """Where warnings are errors, as here, optax's was a refusal."""
    spec = parse_optimizer("noisy_sgd(eta=0.1)")
    assert spec.arguments == {"eta": 0.1}
    params = {"hidden": jnp.zeros(3)}
    transform = make_optimizer(spec, 0.1, "both")
    updates, _ = transform.update(params, transform.init(params), params)
    assert np.all(np.asarray(updates["hidden"]) != 0.0)
