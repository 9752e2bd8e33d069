"""neural-tangents 0.6.5 on current JAX, without TensorFlow and without a trace.

The library (last released in February 2024, archived on 6 May 2025) reads, while it is being
imported, a few names that JAX has since moved or dropped, and its ``experimental`` package
imports TensorFlow. This module lends it those names for the length of the import and takes them
back afterwards: every attribute of every JAX module, and every entry of ``sys.modules`` but the
library's own, is as it was. Nothing else in rf_limits imports neural_tangents directly.

What works (tested here on the oldest and newest supported JAX): ``stax`` kernels,
``predict``, ``linearize``, ``monte_carlo_kernel_fn``, ``batch`` and the empirical NTK by
Jacobian contraction or NTK-vector products. What does not: structured derivatives (and
``auto``), and ``predict.max_learning_rate``, which meets a removal in SciPy.
"""

import contextlib
import importlib
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.core
import jax.extend.core
import jax.interpreters.ad

_ABSENT = object()
_LENT_TO_CORE = ("Jaxpr", "JaxprEqn", "Literal", "Var", "Primitive")


def _safe_map(function: Callable[..., Any], *sequences: Iterable[Any]) -> list[Any]:
    """Returns ``jax.util.safe_map`` as it was: a list, and an error on unequal lengths."""
    return [function(*items) for items in zip(*sequences, strict=True)]


def _safe_zip(*sequences: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Returns ``jax.util.safe_zip`` as it was."""
    return list(zip(*sequences, strict=True))


def _lent_util() -> types.ModuleType:
    module = types.ModuleType("jax.util")
    vars(module).update(safe_map=_safe_map, safe_zip=_safe_zip)
    return module


@contextlib.contextmanager
def _attribute(owner: types.ModuleType, name: str, value: object) -> Iterator[None]:
    """Sets ``owner.name`` for the length of the block, then restores or removes it."""
    before = vars(owner).get(name, _ABSENT)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


@contextlib.contextmanager
def _module(name: str, module: types.ModuleType) -> Iterator[None]:
    """Puts ``module`` at ``sys.modules[name]`` for the length of the block."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def _import_neural_tangents() -> types.ModuleType:
    if "neural_tangents" in sys.modules:
        return sys.modules["neural_tangents"]
    util = _lent_util()
    with contextlib.ExitStack() as lent:
        for name in _LENT_TO_CORE:
            lent.enter_context(_attribute(jax.core, name, getattr(jax.extend.core, name)))
        lent.enter_context(_attribute(jax.interpreters.ad, "zeros_like_p", object()))
        lent.enter_context(_attribute(jax, "util", util))
        lent.enter_context(_module("jax.util", util))
        lent.enter_context(
            _module(
                "neural_tangents.experimental", types.ModuleType("neural_tangents.experimental")
            )
        )
        lent.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("neural_tangents")
        except ModuleNotFoundError as error:
            raise ImportError(
                "rf_limits needs neural-tangents 0.6.5, installed without its dependencies "
                "(they include TensorFlow): pip install --no-deps neural-tangents==0.6.5 "
                f"(missing: {error.name})"
            ) from error


nt = _import_neural_tangents()
stax = importlib.import_module("neural_tangents.stax")
predict = importlib.import_module("neural_tangents.predict")
