"""rf_limits: when does a trained network do more than random features or its tangent kernel could?

Importing the package sets two JAX options for the process, because every number here
depends on them: 64-bit types are enabled (kernels and exact theory are float64; training
states its own dtype), and matrix products run at "highest" precision (GPUs would otherwise
round float32 factors to TF32).

The tree is the mathematics: :mod:`~rf_limits.problem` (what is learned),
:mod:`~rf_limits.models` (who learns), :mod:`~rf_limits.theory` (what is known exactly),
:mod:`~rf_limits.learning` (how it learns), :mod:`~rf_limits.measure` (what we look at),
:mod:`~rf_limits.experiments` (config to tables), :mod:`~rf_limits.figures` (tables to
figures) and :mod:`~rf_limits.runs` (results on disk, provenance, command line);
:mod:`~rf_limits.devices` spreads one computation over several devices.
"""

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

__version__ = "0.1.0"
