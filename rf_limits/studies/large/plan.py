"""What a fit would take in memory and operations, and how to solve it: known before any work."""

import math
from typing import NamedTuple

import jax
import psutil

from rf_limits.errors import RequirementError
from rf_limits.methods import METHODS, Kind
from rf_limits.models.exact_kernels import numbers_per_point
from rf_limits.models.infinite_width import resolve_supplier
from rf_limits.regression.streamed import feature_sums, kernel_tiles
from rf_limits.regression.streamed.preconditioners import has_population_gram
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.training.memory import PROGRAM

SAMPLE_FACTOR = 4
"""Samples per feature of the preconditioner ``sample``."""
EXPECTED_ITERATIONS = 25
"""Of conjugate gradients, with which costs are compared."""
FAR_MORE = 3.0
"""Cholesky is chosen up to this many times the operations of conjugate gradients, which reach a
smaller share of a processor's speed."""
USABLE = 0.9
"""Share of a memory that is planned with."""

_FEATURE = 24  # operations per feature besides its d multiplications
_KERNEL = 100  # the same per kernel value
_GRAM_ROWS = 256 * 12  # rows of the exact Gram matrix, and what computing them holds
_ARRAYS = 3  # of a block of features at once
_COEFFICIENTS = 4  # copies of every point's: both sides of a product, and their transposes
_KERNEL_ARRAYS = 10  # of a tile of the kernel at once
_RISK = 12 * 2**24  # tiles of exact risks


class Plan(NamedTuple):
    """How one fit is solved.

    Attributes:
      solver: ``"cholesky"`` or ``"cg"``.
      preconditioner: of conjugate gradients on features, resolved; "" elsewhere.
      host: bytes by array, on this machine.
      device: bytes by array on each device of the mesh (this machine's memory too on CPU).
      operations: floating-point operations, about.
    """

    solver: str
    preconditioner: str
    host: dict[str, float]
    device: dict[str, float]
    operations: float


def is_kernel(method: str) -> bool:
    """Returns whether the method is a kernel, not features."""
    return METHODS[method].kind is Kind.KERNEL


def preconditioner_of(config: LargeConfig) -> str:
    """Returns the preconditioner of features that "auto" stands for."""
    if config.preconditioner != "auto":
        return config.preconditioner
    has_gram = has_population_gram(config.network(), config.problem.inputs)
    return "population" if has_gram else "sample"


def kernel_supplier(config: LargeConfig) -> str:
    """Returns who computes kernels: "auto" stands for "exact", which takes less time."""
    supplier = config.model.kernel_supplier
    return "exact" if supplier == "auto" else resolve_supplier(config.model.activation, supplier)


def _features(config: LargeConfig, solver: str, width: int, num: int) -> Plan:
    mesh, rows, dim = config.mesh, config.block_size, config.problem.dim
    matrix, ridge_work = 8.0 * width**2, width**3 / 3.0
    per_feature = 2.0 * dim + _FEATURE
    block = 8.0 * _ARRAYS * rows * width / (mesh.data * mesh.width)
    gram = {
        "Gram matrix": matrix / mesh.width,
        "products added to it": matrix / mesh.width / feature_sums.tiles_of(width, mesh.width),
        "block of features": block,
    }
    if solver == "cholesky" and num < width:  # n numbers instead of N
        arrays = {"features": 8.0 * num * width, "their kernel matrix": 8.0 * float(num) ** 2}
        tile = 8.0 * _ARRAYS * max(feature_sums.TILE_ENTRIES, width)
        work = float(num) * width * (per_feature + 2.0 * num) + float(num) ** 3 / 3.0
        return Plan(solver, "", arrays | {"risk": _RISK}, {"features of a tile": tile}, work)
    if solver == "cholesky":
        work = float(num) * width * (per_feature + 1.1 * width) + ridge_work
        return Plan(solver, "", {"its copy and factor": matrix, "risk": _RISK}, gram, work)
    kind = preconditioner_of(config)
    tile = min(block, 8.0 * _ARRAYS * max(feature_sums.TILE_ENTRIES, width * mesh.data))
    host, device = {"risk": float(_RISK)}, {"features of a tile": tile}
    work = EXPECTED_ITERATIONS * float(num) * width * per_feature
    if kind != "none":
        host = {"preconditioner": matrix, "rows of it": 8.0 * _GRAM_ROWS * width} | host
        work += ridge_work
    if kind == "sample":
        device |= gram
        work += min(SAMPLE_FACTOR * width, num) * 1.1 * float(width) ** 2
    return Plan(solver, kind, host, device, work)


def _kernel(config: LargeConfig, solver: str, num: int) -> Plan:
    dim = config.problem.dim
    entries = max(min(kernel_tiles.TILE_ENTRIES, num**2), num)
    tile = 8.0 * _KERNEL_ARRAYS * entries
    device = {"tile of the kernel": tile / config.mesh.data}
    host = {"inputs and vectors": 8.0 * num * (3 * dim + 10)}
    degrees = 0
    if kernel_supplier(config) == "exact":
        degrees = numbers_per_point(config.model.activation)
        host["coefficients of the activation"] = 8.0 * _COEFFICIENTS * num * degrees
    values = float(num) ** 2 * (2.0 * dim + _KERNEL + degrees)
    if solver == "cholesky":
        host["kernel matrix"] = 8.0 * float(num) ** 2
        return Plan(solver, "", host, device, values + num**3 / 3.0)
    work = EXPECTED_ITERATIONS * values
    if config.preconditioner != "none":
        points = min(config.kernel_points, num)
        host["Nystrom factor"] = 8.0 * points * (num + 4.0 * points)
        work += 2.0 * num * float(points) ** 2
    return Plan(solver, "", host, device, work)


def _plan(config: LargeConfig, solver: str, width: int | None, num: int) -> Plan:
    if width is None:
        return _kernel(config, solver, num)
    return _features(config, solver, width, num)


def _limits() -> tuple[float, float | None]:
    """Returns bytes that may be used on this machine, and on a device with its own memory."""
    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    device = None if not stats or "bytes_limit" not in stats else USABLE * stats["bytes_limit"]
    return USABLE * psutil.virtual_memory().total, device


def _loads(config: LargeConfig, plan: Plan) -> list[tuple[float, float, str]]:
    """Returns needed and available bytes and their place, for each memory there is."""
    on_host, on_device = PROGRAM + sum(plan.host.values()), sum(plan.device.values())
    host, device = _limits()
    if device is None:
        devices = math.prod(vars(config.mesh).values())
        return [(on_host + devices * on_device, host, "memory")]
    return [(on_host, host, "memory"), (on_device, device, "the memory of a device")]


def planned_bytes(config: LargeConfig, plan: Plan) -> float:
    """Returns what one fit takes at most in the memory that it needs most of, program included."""
    return max(needed for needed, _, _ in _loads(config, plan))


def _fits(config: LargeConfig, plan: Plan) -> bool:
    return all(needed <= limit for needed, limit, _ in _loads(config, plan))


def _largest(config: LargeConfig, solver: str, width: int | None, num: int) -> int:
    """Returns the largest N (features) or n (kernels) that would fit; 0 where none would."""
    low, high = 0, num if width is None else width
    while high - low > 1:
        middle = (low + high) // 2
        sizes: tuple[int | None, int] = (None, middle) if width is None else (middle, num)
        if _fits(config, _plan(config, solver, *sizes)):
            low = middle
        else:
            high = middle
    return low


def _refusal(
    config: LargeConfig, method: str, plan: Plan, width: int | None, num: int
) -> RequirementError:
    needed, limit, place = next(load for load in _loads(config, plan) if load[0] > load[1])
    arrays = plan.host | plan.device
    parts = sorted(arrays.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"{name} {size / 2**30:.1f}" for name, size in parts)
    field, size = ("nums_train", num) if width is None else ("widths", width)
    largest = _largest(config, plan.solver, width, num)
    holds = plan.preconditioner in ("population", "sample")
    other = ", or any size with preconditioner = 'none'" if holds else ""
    return RequirementError(
        f"{field} must give a {method} fit by {plan.solver} that fits in {place} "
        f"({needed / 2**30:.1f} GiB are needed, {limit / 2**30:.1f} GiB may be used; largest "
        f"arrays: {listed} GiB), but received {size}; {largest} would fit{other}."
    )


def plan_fit(config: LargeConfig, method: str, width: int | None, num: int) -> Plan:
    """Returns the solver of one fit, with what it takes.

    ``auto`` is Cholesky where it fits and takes at most :data:`FAR_MORE` times the operations of
    conjugate gradients with :data:`EXPECTED_ITERATIONS`, or where there are fewer than two
    samples per feature, for which the preconditioner does little; else conjugate gradients.

    Args:
      config: of the job.
      method: key of one of :data:`~rf_limits.studies.large.configs.STREAMED`.
      width: N; None for kernels.
      num: n.

    Raises:
      RequirementError: neither solver allowed fits; what is needed, what there is and the
        largest size that would fit.
    """
    direct, iterative = (_plan(config, solver, width, num) for solver in ("cholesky", "cg"))
    if config.solver == "auto":
        few = width is not None and num < 2 * width
        cheap = direct.operations <= FAR_MORE * iterative.operations
        chosen = direct if _fits(config, direct) and (few or cheap) else iterative
    else:
        chosen = direct if config.solver == "cholesky" else iterative
    if not _fits(config, chosen):
        raise _refusal(config, method, chosen, width, num)
    return chosen
