"""Refusing a large job before any work starts, in one line that names the field."""

from rf_limits.config.training import DataFields, MeasureFields, ModelFields, TrainingConfig
from rf_limits.devices.mesh import check_mesh
from rf_limits.errors import check
from rf_limits.methods import RANDOM_FEATURES
from rf_limits.problem import make_problem
from rf_limits.regression.streamed.preconditioners import has_population_gram
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.jobs import make_jobs
from rf_limits.studies.large.plan import preconditioner_of
from rf_limits.training import validation
from rf_limits.training.memory import check_array_memory

SIZES = (1e-60, 1e60)
"""Between which targets, labels and ridges lie: squares of residuals and steps stay in float64."""
_ORDINARY = (1e-20, 1e20)  # norms whose targets are within SIZES where the bias is moderate


def _validate_magnitudes(config: LargeConfig) -> None:
    """Refuses sizes whose squares, or those of solutions and residuals, float64 cannot hold."""
    least, most = SIZES
    bounds = f"between {least:g} and {most:g}, whose squares and quotients float64 holds"
    ridge, noise = config.ridge, config.problem.noise
    check(ridge == 0.0 or least <= ridge <= most, "ridge", f"be 0 or {bounds}", ridge)
    check(noise <= most, "problem.noise", f"be at most {most:g}", noise)
    norm, bias = config.problem.norm, config.problem.bias
    if _ORDINARY[0] <= norm <= _ORDINARY[1] and abs(bias) <= 10.0 * norm:
        return  # phi(10) > 1e-23: no need to compute a moment
    root = max(make_problem(**vars(config.problem)).second_moment, 0.0) ** 0.5
    field, requirement = "problem.norm and problem.bias", "give a target with a root mean square "
    check(least <= root <= most, field, requirement + bounds, root)


def _validate_sizes(config: LargeConfig) -> None:
    for field in ("block_size", "num_test"):
        size = getattr(config, field)
        check_array_memory(size * config.problem.dim, field, size)
    underdetermined = RANDOM_FEATURES.key in config.methods and (
        min(config.nums_train) < max(config.widths)
    )
    check(
        config.ridge > 0.0 or not underdetermined,
        "ridge",
        "be positive where nums_train is below widths",
        config.ridge,
    )


def _validate_solver(config: LargeConfig) -> None:
    features = RANDOM_FEATURES.key in config.methods
    if features and preconditioner_of(config) == "population":
        has_gram = has_population_gram(config.network(), config.problem.inputs)
        requirement = "be sample, none or auto for these features and inputs"
        check(has_gram, "preconditioner", requirement, config.preconditioner)
    check_mesh(vars(config.mesh))
    check(config.mesh.seeds == 1, "mesh.seeds", "be 1: seeds run one by one", config.mesh.seeds)
    data, width = config.mesh.data, config.mesh.width
    good = config.block_size % data == 0
    check(good, "block_size", f"be a multiple of mesh.data = {data}", config.block_size)
    for value in config.widths if features else ():
        check(value % width == 0, "widths", f"be multiples of mesh.width = {width}", value)


def validate(config: LargeConfig) -> None:
    """Checks what concerns several fields, and sizes; problem and model as training runs do.

    Raises:
      RequirementError: naming the first field that cannot be, with the value received; or a fit
        that no memory here holds, with what it needs and the largest that would fit.
    """
    model = ModelFields(widths=(1,), **vars(config.model))
    data, measure = DataFields(num_train=1), MeasureFields(num_probe=1)
    training = TrainingConfig(problem=config.problem, model=model, data=data, measure=measure)
    validation.validate(training)
    _validate_sizes(config)
    _validate_solver(config)
    make_jobs(config)
    _validate_magnitudes(config)
