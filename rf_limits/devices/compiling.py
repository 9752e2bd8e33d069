"""Programs that run for less long than optimizing them takes.

On a CPU most of the time of compiling goes into the code of loops: without optimization a
program compiles in a quarter of the time and its loops take about twice as long. Products and
decompositions are calls of libraries and stay what they are. The numbers are the same to
rounding.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

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


class QuickJit(Generic[Inputs, Output]):
    """A compiled function, or method, that is not optimized on a CPU.

    Attributes:
      optimized: the function that accelerators run, from ``jax.jit``.
    """

    def __init__(self, function: Callable[Inputs, Output], **options: Any):
        functools.update_wrapper(self, function)
        self.optimized: Callable[Inputs, Output] = jax.jit(function, **options)
        self._function, self._options = function, options

    @functools.cached_property
    def _quick(self) -> Callable[Inputs, Output]:
        return jax.jit(self._function, compiler_options=quick_options(), **self._options)

    def __call__(self, *arguments: Inputs.args, **named: Inputs.kwargs) -> Output:
        """Calls the function that the default device runs."""
        chosen = self._quick if jax.default_backend() == "cpu" else self.optimized
        return chosen(*arguments, **named)

    def __get__(self, instance: Any, owner: type | None = None) -> Callable[..., Output]:
        """Binds a method to its object."""
        return self if instance is None else functools.partial(self.__call__, instance)


def jit_quickly(function: Callable[Inputs, Output], **options: Any) -> QuickJit[Inputs, Output]:
    """Returns ``jax.jit`` for what runs a few times, for a moment.

    Args:
      function: what is compiled; the result must not be called from within compiled functions.
      **options: of ``jax.jit``.
    """
    return QuickJit(function, **options)
