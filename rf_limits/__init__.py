"""rf_limits: when does a trained network do more than random features or its tangent kernel could?

Importing the package sets some of JAX's options for the process, because every number here
depends on them (:mod:`rf_limits.devices.options`): 64-bit types are enabled (kernels and exact
theory are float64; training states its own dtype), matrix products run at "highest" precision
(GPUs would otherwise round float32 factors to TF32), and random numbers are those of JAX's default
generator, whatever the environment says.

The tree is the mathematics, and docs/architecture.md leads through it:
:mod:`~rf_limits.theory` (what is known exactly), :mod:`~rf_limits.models` (who learns),
:mod:`~rf_limits.problem` (what is learned), :mod:`~rf_limits.measure` (what we look at),
:mod:`~rf_limits.regression` and :mod:`~rf_limits.optimization` (how it is learned),
:mod:`~rf_limits.methods` (the learners that are put side by side), :mod:`~rf_limits.training` (one
training run), :mod:`~rf_limits.analysis` (what its table says), :mod:`~rf_limits.studies` (every
experiment in a file), :mod:`~rf_limits.runs` (results on disk, provenance, command line).
:mod:`~rf_limits.api` is the way in from Python; its names can be imported from here, and are
loaded when they are first asked for.
"""

from typing import Any

from rf_limits.devices.options import pin

pin()

__version__ = "0.1.0"

__all__ = [
    "RequirementError",
    "TrainingResult",
    "certify",
    "default_config",
    "plot",
    "risk",
    "train",
]


def __getattr__(name: str) -> Any:
    """The names of :mod:`rf_limits.api`, which imports pandas and what trains (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rf_limits import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
