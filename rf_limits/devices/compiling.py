"""Compiling without optimization, for programs that run only for a moment.

On a CPU most of the time of compiling goes into the code of loops: without optimization a
program compiles in a quarter of the time and its loops take about twice as long. Products and
decompositions are calls of libraries and stay what they are. The numbers are the same to
rounding.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax

_UNOPTIMIZED = {"xla_backend_optimization_level": 0}
# The second option is gone from JAX 0.11.
_CHOICES = ({**_UNOPTIMIZED, "xla_cpu_use_fusion_emitters": False}, _UNOPTIMIZED)


@functools.cache
def quick_options() -> dict[str, Any]:
    """Returns the options of :func:`jit_quickly` on CPU that this version of JAX knows."""
    for options in _CHOICES:
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            jax.jit(lambda: 0.0, compiler_options=options).lower().compile()
            return options
    return {}


Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


def jit_quickly(function: Callable[Inputs, Output], **options: Any) -> Callable[Inputs, Output]:
    """Returns ``jax.jit`` of a function that runs briefly, on a CPU without optimization.

    Args:
      function: what is compiled; the result must not be called from within compiled functions.
      **options: of ``jax.jit``.

    Returns:
      The compiled function. Its attribute ``optimized`` is the one that accelerators run.
    """
    optimized = jax.jit(function, **options)

    @functools.cache
    def unoptimized() -> Callable[Inputs, Output]:
        return jax.jit(function, compiler_options=quick_options(), **options)

    @functools.wraps(function)
    def call(*arguments: Inputs.args, **named: Inputs.kwargs) -> Output:
        chosen = unoptimized() if jax.default_backend() == "cpu" else optimized
        return chosen(*arguments, **named)

    vars(call).update(optimized=optimized)
    return call
