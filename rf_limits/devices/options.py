"""JAX's options: those that change numbers are set here, or said in run.json; strict ones refused.

JAX takes its options from the environment (``JAX_DEFAULT_PRNG_IMPL=rbg``) and from programs
(``jax.config.update``). The same config must be the same numbers under all of them.
"""

import os
from typing import Any

import jax

from rf_limits.errors import RequirementError, refusal

PINNED: dict[str, Any] = {
    "jax_enable_x64": True,
    "jax_default_matmul_precision": "highest",
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
}
"""Set when the package is imported: without them the same config gives other numbers, or none."""
_ALLOWED: dict[str, tuple] = {
    "jax_debug_nans": (False,),  # a network that diverges is a result
    "jax_debug_infs": (False,),
    **dict.fromkeys(
        (
            "jax_transfer_guard",
            "jax_transfer_guard_device_to_device",
            "jax_transfer_guard_device_to_host",
            "jax_transfer_guard_host_to_device",
        ),
        (None, "allow", "log"),
    ),
}
"""Strict modes that no run gets through."""
_SAID = (
    "jax_disable_jit",
    "jax_disable_most_optimizations",
    "jax_optimization_level",
    "jax_exec_time_optimization_effort",
    "jax_allow_f16_reductions",
    "jax_threefry_gpu_kernel_lowering",
    "jax_use_magma",
)
_ENVIRONMENT = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_PLATFORMS = "JAX_PLATFORMS"


def pin() -> None:
    """Sets :data:`PINNED` for the process."""
    for name, value in PINNED.items():
        jax.config.update(name, value)


def check_options() -> None:
    """Refuses options under which a run gives other numbers, or ends in an error on its way.

    Raises:
      RequirementError: naming the first such option.
    """
    for name, values in {**{key: (value,) for key, value in PINNED.items()}, **_ALLOWED}.items():
        value = getattr(jax.config, name, values[0])
        value = getattr(value, "value", value)  # some are enumerations
        if value not in values:
            raise RequirementError(
                f"JAX's option {name} must be {values[0]} in a run, but received {value!r} (from "
                f"{name.upper()} in the environment, or from jax.config)."
            )


def options() -> dict[str, str]:
    """Returns further options that change how numbers are rounded, for run.json and parts."""
    values = {name: getattr(jax.config, name, None) for name in _SAID}
    values |= {name: os.environ.get(name) for name in _ENVIRONMENT}
    return {name: str(value) for name, value in values.items() if value is not None}


def check_devices() -> None:
    """Refuses platforms that JAX was asked for and does not find.

    Raises:
      RequirementError: naming what asked for them.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        platforms = getattr(jax.config, "jax_platforms", None)
        raise refusal(_PLATFORMS, "name devices that JAX finds here", platforms) from error
