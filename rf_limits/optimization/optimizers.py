"""Any optax optimizer by name and arguments, and which layers it moves.

A specification is a name, optionally with keyword arguments, as one writes it in Python:
``"sgd"``, ``"sgd(momentum=0.9)"``, ``"adamw(b1=0.95, weight_decay=1e-4)"``. Beside optax
there is ``"gradient_flow"`` (arguments rtol, atol), the continuous-time limit of sgd.
"""

import ast
import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from rf_limits.errors import check, check_choice, refusal
from rf_limits.models.network import TRAINABLE, Params
from rf_limits.optimization.flow import gradient_flow
from rf_limits.types import Scalar

_FIELD = "training.optimizer"
GRADIENT_FLOW = "gradient_flow"
_TOLERANCES = {"rtol": (0.0, 0.1), "atol": (1e-16, 0.1)}
"""Tolerances of gradient flow, per step; without an absolute one no first step is small enough."""
_AVERAGES = ("momentum", "b1", "b2", "b3", "decay", "decay_rate", "rho")
"""Arguments of optax that weigh what was before against what is new."""
_OF_ANY_SIGN = ("alpha", "beta", "optimism")
_DTYPES = ("float32", "float64", "bfloat16", "float16")
_WHOLE = ("<class 'int'>", "int | None")


class StepSpan(NamedTuple):
    """The span of an optimizer's steps, as a function of a linear model's gradients.

    Attributes:
      by_block: whether every array of parameters takes multiples of its own gradients that may
        depend on the labels; else all arrays take the same multiples.
      fixed: further directions that do not depend on the labels: of added noise the noise, of
        weight decay on a schedule fixed beforehand the initial parameters.
      decay_by_block: whether the decay of every array depends on the labels too, so that the
        initial parameters of each are a direction.
    """

    by_block: bool = False
    fixed: int = 0
    decay_by_block: bool = False

    def functions(self, samples: float | int, blocks: int) -> float | int:
        """Returns how many functions span what a linear model learns from samples."""
        adaptive = blocks if self.by_block else 1
        return adaptive * (samples + self.decay_by_block) + self.fixed


class OptimizerSpec(NamedTuple):
    """A parsed specification.

    Attributes:
      name: the function's name in optax.
      items: its keyword arguments, learning rate excluded, as pairs (hashable).
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """Returns the keyword arguments."""
        return dict(self.items)

    @property
    def is_gradient_descent(self) -> bool:
        """Returns whether this is SGD without momentum."""
        return self.name == "sgd" and not self.arguments.get("momentum")

    @property
    def is_gradient_flow(self) -> bool:
        """Returns whether this is gradient flow; its steps are stretches of time."""
        return self.name == GRADIENT_FLOW

    @property
    def span(self) -> StepSpan | None:
        """Returns where its steps lie; None where entries of a gradient are treated differently.

        Sources: the update rules of optax; tests/learning/test_spans.py measures the ranks.
        """
        decay = bool(self.arguments.get("weight_decay"))
        return {
            GRADIENT_FLOW: StepSpan(),
            "sgd": StepSpan(),
            "optimistic_gradient_descent": StepSpan(),
            "noisy_sgd": StepSpan(fixed=1),
            "lars": StepSpan(by_block=True, decay_by_block=decay),
            "novograd": StepSpan(by_block=True, fixed=int(decay)),
            "fromage": StepSpan(by_block=True, fixed=1),  # it shrinks all parameters alike
        }.get(self.name)

    @property
    def stability_limit(self) -> float | None:
        """Returns the largest stable learning rate times sharpness on a quadratic.

        It is 2 for gradient descent, 2 (1 + beta) for heavy-ball momentum beta, None for
        optimizers whose step does not scale with the gradient (Cohen et al. 2021).
        """
        if self.name != "sgd":
            return None
        beta = self.arguments.get("momentum") or 0.0
        if self.arguments.get("nesterov"):
            return 2.0 * (1.0 + beta) / (1.0 + 2.0 * beta)
        return 2.0 * (1.0 + beta)


@functools.cache
def _optimizers() -> dict[str, Callable[..., Any]]:
    """Returns optax's functions whose first argument is a learning rate, and the flow.

    The bare transforms among them are left out: ``scale_by_rprop`` climbs.
    """
    optimizers: dict[str, Callable[..., Any]] = {GRADIENT_FLOW: gradient_flow}
    for name, value in vars(optax).items():
        if name.startswith("_") or not inspect.isfunction(value):
            continue
        first = next(iter(inspect.signature(value).parameters), None)
        if first == "learning_rate" and not name.startswith("scale_by_"):
            optimizers[name] = value
    return optimizers


def parse_optimizer(text: str) -> OptimizerSpec:
    """Reads a specification (module docstring).

    Raises:
      RequirementError: text that is not a name or a call, a name optax does not have, or an
        argument that optimizer does not take.
    """
    requirement = 'read like "sgd", "sgd(momentum=0.9)" or "adam(b1=0.8)"'
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = ast.Call(node, [], []) if isinstance(node, ast.Name) else node
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise SyntaxError
        name = call.func.id
        arguments = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        twice = len(arguments) < len(call.keywords)
    except (SyntaxError, ValueError) as error:
        raise refusal(_FIELD, requirement, text) from error
    check(not twice, _FIELD, "name each argument once", text)
    optimizers = _optimizers()
    check_choice(name, optimizers, _FIELD)
    signature = inspect.signature(optimizers[name]).parameters
    accepted = set(signature) - {"learning_rate"}
    if name == GRADIENT_FLOW:
        accepted = {"rtol", "atol"}
    for argument in arguments:
        check_choice(argument, accepted, f"{_FIELD}: in {text!r}, arguments of {name}")
        field = f"{_FIELD}: in {text!r}, {argument}"
        _check_argument(field, argument, arguments[argument], signature.get(argument))
    spec = OptimizerSpec(name, tuple(sorted(arguments.items())))
    if not spec.is_gradient_flow:
        _check_step(spec, text)
    return spec


@functools.lru_cache(maxsize=256)
def _check_step(spec: OptimizerSpec, text: str) -> None:
    """Refuses what optax does not accept, or what needs more than a gradient in a step."""

    def step(params: Any) -> Any:
        transform = _transform(spec, 0.1)
        return transform.update(params, transform.init(params), params)

    shapes = {"hidden": (2, 3), "output": (3,)}
    try:
        jax.eval_shape(step, {k: jax.ShapeDtypeStruct(v, float) for k, v in shapes.items()})
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        requirement = f"be accepted by optax, for steps along a gradient ({reason})"
        raise refusal(_FIELD, requirement, text) from error


def _check_argument(field: str, name: str, value: Any, parameter: inspect.Parameter | None) -> None:
    """Refuses a value that is not what the signature of optax takes.

    Args:
      field: for errors.
      name: of the argument.
      value: that it was given.
      parameter: of the signature; None for tolerances of gradient flow.
    """
    default = None if parameter is None else parameter.default
    annotation = "" if parameter is None else str(parameter.annotation)
    if value is None and default is None:
        return
    if isinstance(default, bool) or name.endswith("mask"):
        check(isinstance(value, bool), field, "be True or False", value)
    elif "dtype" in name:
        check(value in _DTYPES, field, f"be one of {', '.join(_DTYPES)}", value)
    elif isinstance(default, int) or annotation in _WHOLE:
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        check(whole, field, "be a whole number of at least 0", value)
    else:
        _check_number(field, name, value, default)


def _check_number(field: str, name: str, value: Any, default: Any) -> None:
    """Refuses what is no finite number, and numbers at which an optimizer is none."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    check(real and math.isfinite(value), field, "be a finite number", value)
    signum = name == "beta" and isinstance(default, float) and default < 1.0
    if name in _TOLERANCES:
        low, high = _TOLERANCES[name]
        check(low <= value <= high, field, f"lie between {low:g} and {high:g}", value)
    elif name in _AVERAGES or signum:
        check(0.0 <= value < 1.0, field, "be at least 0 and below 1", value)
    elif name not in _OF_ANY_SIGN:
        check(value >= 0.0, field, "be at least 0", value)


def _transform(spec: OptimizerSpec, learning_rate: Scalar) -> optax.GradientTransformation:
    """Returns optax's optimizer of a spec, with a key where it would warn without one."""
    make, arguments = _optimizers()[spec.name], spec.arguments
    if "key" in inspect.signature(make).parameters and not {"key", "seed"} & set(arguments):
        arguments["key"] = 0
    return make(learning_rate, **arguments)


def make_optimizer(
    spec: OptimizerSpec, learning_rate: Scalar, trainable: str
) -> optax.GradientTransformation:
    """Returns the optax transformation, moving only the trainable layers.

    Args:
      spec: from :func:`parse_optimizer`.
      learning_rate: may be traced, so that a new value does not recompile.
      trainable: ``"hidden"``, ``"output"`` or ``"both"``; other parameters get no update,
        weight decay included.

    Returns:
      A gradient transformation for the parameter tree of
      :class:`~rf_limits.models.OneHiddenLayer`.
    """
    transform = _transform(spec, learning_rate)
    if trainable == "both":
        return transform
    return optax.partition(
        {True: transform, False: optax.set_to_zero()}, lambda p: trainable_mask(p, trainable)
    )


def trainable_mask(params: Params, trainable: str) -> Any:
    """Returns tree of booleans: which leaves of ``params`` belong to the trainable layers."""
    check_choice(trainable, TRAINABLE, "model.trainable")

    def belongs(path: tuple[Any, ...], _: Any) -> bool:
        layer = "output" if path[-1].key.startswith("output") else "hidden"
        return trainable in ("both", layer)

    return jax.tree_util.tree_map_with_path(belongs, params)
