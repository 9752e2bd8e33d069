"""Programs that run for less long than optimizing them takes.

On a CPU most of the time of compiling goes into the code of loops: without optimization a
program compiles in a quarter of the time and its loops take about twice as long. Products and
decompositions are calls of libraries and stay what they are. The numbers are the same to
rounding.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

_OPTIONS = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


def jit_quickly(function: Callable, **options: Any) -> Callable:
    """``jax.jit`` for what runs a few times, for a moment; on accelerators ``jax.jit`` itself.

    Args:
      function: to be compiled; the result must not be called from within compiled functions.
      options: of ``jax.jit``.
    """
    optimized = jax.jit(function, **options)
    quick = jax.jit(function, compiler_options=_OPTIONS, **options)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        chosen = quick if jax.default_backend() == "cpu" else optimized
        return chosen(*arguments, **named)

    return call
