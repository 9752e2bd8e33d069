"""Refusing a config before any work starts, in one line that names the field."""

import math

import numpy as np
import psutil

from rf_limits.analysis.tables import KEYS, MEASUREMENTS
from rf_limits.config import accepts_builder
from rf_limits.config.training import TrainingConfig
from rf_limits.devices.mesh import AXES, check_mesh
from rf_limits.errors import RequirementError, check
from rf_limits.measure.extra import EXTRA
from rf_limits.measure.neuron_risk import CLOSED
from rf_limits.methods import METHODS
from rf_limits.models.exact_kernels import numbers_per_point
from rf_limits.models.infinite_width import InfiniteNetwork, resolve_supplier
from rf_limits.models.network import OneHiddenLayer, make_network
from rf_limits.optimization.optimizers import parse_optimizer
from rf_limits.optimization.step_size import check_auto, rates_by_scale
from rf_limits.problem.polynomial_kinds import check_polynomial
from rf_limits.training.memory import PROGRAM


@accepts_builder
def validate(config: TrainingConfig) -> None:
    """Checks what concerns several fields of a training config, and sizes.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received.
    """
    _validate_problem(config)
    _validate_model(config)
    _validate_training(config)
    _validate_measure(config)
    _validate_mesh(config)
    _validate_memory(config)


def _validate_mesh(config: TrainingConfig) -> None:
    """Refuses devices along an axis that do not divide what they are laid along."""
    mesh, size = config.mesh, config.training.batch_size
    check_mesh({axis: getattr(mesh, axis) for axis in AXES})
    networks = config.seeds * len(config.model.lazy_scales)
    along = [("seeds", "the number of networks (seeds x lazy scales)", networks)]
    along.append(("data", "data.num_train", config.data.num_train))
    if size is not None:
        along.append(("data", "training.batch_size", size))
    along += [("width", "every width", width) for width in config.model.widths]
    for axis, what, number in along:
        requirement = f"divide {what}, {number}"
        check(number % getattr(mesh, axis) == 0, f"mesh.{axis}", requirement, getattr(mesh, axis))


def _validate_measure(config: TrainingConfig) -> None:
    measure = config.measure
    for name in measure.extra:
        new = name in EXTRA and name not in (*KEYS, *MEASUREMENTS)
        requirement = "name measurements in rf_limits.measure.extra.EXTRA, and no other column"
        check(new, "measure.extra", requirement, name)
    most = min(measure.num_probe, config.data.num_train) if measure.kernels else 0
    requirement = f"be at most {most}, the number of probe inputs"
    if not measure.kernels:
        requirement = "be 0 without measure.kernels"
    check(measure.eigenvalues <= most, "measure.eigenvalues", requirement, measure.eigenvalues)
    single = config.problem.target == "single_neuron"
    check(
        single or not measure.alignment,
        "measure.alignment",
        "be False unless the target is a single neuron",
        measure.alignment,
    )
    full = config.data.kind == "fixed" and config.training.batch_size is None
    plain = parse_optimizer(config.training.optimizer)
    check(
        not measure.infinite_width
        or (full and (plain.is_gradient_descent or plain.is_gradient_flow)),
        "measure.infinite_width",
        "be False unless training is full-batch gradient descent or flow on a fixed set",
        measure.infinite_width,
    )
    exact = measure.exact or config.data.kind != "population"
    check(exact, "measure.exact", "be True for data.kind = 'population'", measure.exact)


def _validate_problem(config: TrainingConfig) -> None:
    problem = config.problem
    if problem.target == "polynomial":
        check_polynomial(problem.polynomial, problem.degree, problem.dim)
    biased = problem.bias != 0.0
    check(
        not (biased and problem.target == "polynomial"),
        "problem.bias",
        "be 0 for a polynomial target",
        problem.bias,
    )
    check(
        not (biased and problem.inputs == "sphere") or problem.dim >= 3,
        "problem.dim",
        "be at least 3 for a biased target on a sphere",
        problem.dim,
    )


def _validate_model(config: TrainingConfig) -> None:
    model = config.model
    for width in model.widths:
        network_from_config(config, width)
    numbers = np.finfo(config.precision)
    least, most = math.sqrt(float(numbers.tiny)), math.sqrt(float(numbers.max))
    bounds = f"be between {least:.1g} and {most:.1g}, to be squared in {config.precision}"
    for scale in model.lazy_scales:
        check(least < scale < most, "model.lazy_scales", bounds, scale)
    resolve_supplier(model.activation, model.kernel_supplier)
    check(
        model.trainable != "hidden" or model.output_init != "zero",
        "model.trainable",
        "be both or output for model.output_init = 'zero': nothing else has a gradient",
        model.trainable,
    )


def _validate_training(config: TrainingConfig) -> None:
    training, num_train = config.training, config.data.num_train
    spec = parse_optimizer(training.optimizer)
    rates = rates_by_scale(training.learning_rate, len(config.model.lazy_scales))
    if None in rates:
        check_auto(spec)
    numbers = np.finfo(config.precision)
    least, most = float(numbers.tiny), float(numbers.max) / training.steps
    for rate in (rate for rate in rates if rate is not None):
        requirement = f"lie between {least:.1e} and {most:.1e}, as precision = "
        requirement += f"{config.precision!r} and {training.steps} steps leave it"
        good = least <= rate <= most
        check(good, "training.learning_rate", requirement, training.learning_rate)
    size = training.batch_size
    if config.data.kind == "stream":
        requirement = "be fixed or population for gradient flow"
        check(not spec.is_gradient_flow, "data.kind", requirement, "stream")
        check(size is not None, "training.batch_size", "be given for data.kind = 'stream'", size)
    if spec.is_gradient_flow or config.data.kind == "population":
        reason = "gradient flow" if spec.is_gradient_flow else "data.kind = 'population'"
        check(size is None, "training.batch_size", f"be None for {reason}", size)
    if config.data.kind == "population":
        _validate_population(config)
    if size is not None and config.data.kind == "fixed":
        requirement = f"be at most data.num_train = {num_train}"
        check(size <= num_train, "training.batch_size", requirement, size)


def _validate_population(config: TrainingConfig) -> None:
    """Refuses training on the population without an exact risk, or the digits for its slope."""
    problem, model = config.problem, config.model
    neurons = problem.target != "polynomial"
    allowed = ("relu", *CLOSED) if neurons and problem.inputs == "gaussian" else ("relu",)
    check(
        model.activation in allowed,
        "model.activation",
        f"be {' or '.join(allowed)} for data.kind = 'population' with this target and these inputs",
        model.activation,
    )
    plain = not model.bias and problem.bias == 0.0 and neurons
    check(
        problem.inputs == "gaussian" or plain,
        "problem.inputs",
        "be gaussian for data.kind = 'population' with biases or a polynomial target",
        problem.inputs,
    )
    check(
        config.precision == "float64",
        "precision",
        "be float64 for data.kind = 'population'",
        config.precision,
    )


def network_from_config(config: TrainingConfig, width: int) -> OneHiddenLayer:
    """Returns the network of one width, checked."""
    model = config.model
    return make_network(
        width,
        activation=model.activation,
        use_bias=model.bias,
        parameterization=model.parameterization,
        output_init=model.output_init,
        centring=model.centring,
    )


def needs_kernels(config: TrainingConfig) -> bool:
    """Returns whether a run fits, measures or takes step sizes by infinite-width kernels."""
    measured = config.measure.kernels or config.measure.infinite_width
    rates = config.training.learning_rate == "auto_ntk"
    methods = METHODS.named(config.predictors.methods)
    return any(method.uses_infinite_width for method in methods) or measured or rates


def infinite_network(config: TrainingConfig, network: OneHiddenLayer) -> InfiniteNetwork:
    """Returns the network as its width grows, with the supplier that "auto" stands for."""
    model = config.model
    supplier = resolve_supplier(model.activation, model.kernel_supplier)
    return InfiniteNetwork(network, model.trainable, supplier)


def _sizes(config: TrainingConfig) -> dict[str, int]:
    """Returns by field the sizes that memory depends on."""
    problem, data = config.problem, config.data
    return {
        "data.num_train": data.num_train,
        "data.num_test": data.num_test,
        "model.widths": max(config.model.widths),
        "problem.dim": problem.dim,
        "seeds": config.seeds,
        "problem.neurons": problem.neurons if problem.target == "teacher" else 1,
        "training.batch_size": (config.training.batch_size or 1) if data.kind == "stream" else 1,
    }


_KERNELS = 8
"""Matrices of kernels between training and test inputs, with what computing them holds."""

_STEP = 10
"""Matrices of rows times neurons that a step or a measurement holds: 5 for relu, 10 for gelu."""


def _bytes(sizes: dict[str, int], config: TrainingConfig) -> dict[str, int]:
    n, m, width, dim, seeds, neurons, batch = sizes.values()
    cells = seeds * len(config.model.lazy_scales)
    kernels, series = 0, 0
    if needs_kernels(config):
        kernels, model = _KERNELS * n * m, config.model
        if resolve_supplier(model.activation, model.kernel_supplier) == "exact":
            series = 2 * numbers_per_point(model.activation)
    return {
        "data.num_train": 8 * (n * n * (9 + 2 * seeds) + n * (seeds * dim + series)),
        "data.num_test": 8 * (kernels + m * (seeds * dim + _STEP * width + series)),
        "model.widths": 8 * (8 * width * width + _STEP * n * width + 6 * cells * width * (dim + 2)),
        "problem.neurons": 8 * neurons * (dim + n + m + width + neurons),
        "training.batch_size": 8 * batch * (dim + _STEP * width),
    }


@accepts_builder
def estimate_bytes(config: TrainingConfig) -> dict[str, int]:
    """Returns the peak memory of the largest arrays in bytes, by the field that sets it.

    Kernel matrices (the eigendecomposition holds about five n x n, the series of their exact
    risks four, per seed one stays), coefficients of activations whose kernels are series,
    kernels against the test set where there are any, features, the N x N Gram matrices of exact
    risks (about eight at once), those of a teacher, and a batch of fresh samples, all float64.
    """
    return _bytes(_sizes(config), config)


def _validate_memory(config: TrainingConfig) -> None:
    """Refuses what does not fit; names the field that, made small, would change the most."""
    available = 0.9 * psutil.virtual_memory().total - PROGRAM
    sizes = _sizes(config)

    def total(**changed: int) -> int:
        return sum(_bytes(sizes | changed, config).values())

    needed = total()
    if needed <= available:
        return
    field = min(sizes, key=lambda name: total(**{name: 1}))
    low, high = 0, sizes[field]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if total(**{field: middle}) <= available else (low, middle)
    raise RequirementError(
        f"must fit in memory: about {needed / 2**30:.1f} GiB are needed of "
        f"{available / 2**30:.1f} GiB that may be used (float64), but received {sizes[field]}; "
        f"{f'about {_two_digits(low)}' if low else 'no value'} would fit.",
        field=field,
    )


def _two_digits(value: int) -> int:
    """Returns ``value`` rounded down to two digits."""
    unit = 10 ** max(len(str(value)) - 2, 0)
    return value // unit * unit
