"""Programs that run for less long than optimizing them takes.

On a CPU most of the time of compiling goes into the code of loops: without optimization a
program compiles in a quarter of the time and its loops take about twice as long. Products and
decompositions are calls of libraries and stay what they are. The numbers are the same to
rounding.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import jax

_UNOPTIMIZED = {"xla_backend_optimization_level": 0}
# The second option is gone from JAX 0.11.
_CHOICES = ({**_UNOPTIMIZED, "xla_cpu_use_fusion_emitters": False}, _UNOPTIMIZED)


@functools.cache
def quick_options() -> dict[str, Any]:
    """Compiler options of :func:`jit_quickly` on CPU: those that this version of JAX knows."""
    for options in _CHOICES:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
            return options
    return {}


def jit_quickly(function: Callable, **options: Any) -> Callable:
    """``jax.jit`` for what runs a few times, for a moment; on accelerators ``jax.jit`` itself.

    Args:
      function: to be compiled; the result must not be called from within compiled functions.
      options: of ``jax.jit``.

    Returns:
      A function like that of ``jax.jit``; its attribute ``optimized`` is the one for accelerators.
    """
    optimized = jax.jit(function, **options)

    @functools.cache
    def quick() -> Callable:
        return jax.jit(function, compiler_options=quick_options(), **options)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        chosen = quick() if jax.default_backend() == "cpu" else optimized
        return chosen(*arguments, **named)

    call.optimized = optimized
    return call
