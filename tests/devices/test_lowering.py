"""Every compiled step of the package is lowered for CUDA and TPU, on machines that have neither.

``jax.export`` traces a step, as it would be traced on an accelerator, and writes it in StableHLO
with the rules that JAX has for each platform. So an operation without a rule there, a callback to
the host or a custom call that JAX does not promise to keep is found here. It proves no more: not
that the compiler of an accelerator accepts the program, not that it fits into memory there, not
that it is fast or gives the right numbers. A mesh, where an example has one, is a single device.

The steps and their arguments are in ``training_steps.py``, ``fitted_steps.py``,
``streamed_steps.py`` and ``verdict_steps.py`` (what rf_limits compiles), and in ``theory_steps.py``
(what is compiled with it). Where the package compiles something new, a test fails until there is an
example.
"""

import ast
import functools
import gc
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import export

import rf_limits
from rf_limits.devices.compiling import jit_quickly
from rf_limits.theory.numerics import blocks
from rf_limits.theory.risks.relu_moments import ReluSum, relu_sum_square
from tests.devices import (  # noqa: F401
    fitted_steps,
    streamed_steps,
    training_steps,
    verdict_steps,
)
from tests.devices.steps import COMPILED, floats
from tests.devices.theory_steps import THEORY

PLATFORMS = ("cuda", "tpu")
EXAMPLES = COMPILED | THEORY

WITHIN_FUNCTIONS = {
    "problem/problem.py": ("targets: degrees under Gaussian inputs",),
    "studies/large/risks.py": ("stream: risk of features", "stream: predictions of features"),
    "training/step_sizes.py": (
        "step sizes: infinite-width kernel",
        "step sizes: population",
        "step sizes: tangent kernel",
    ),
    "verdicts/risks.py": ("verdict: sampled risk",),
    "verdicts/span.py": ("verdict: derivatives",),
    "studies/cost.py": ("speed of a product",),
    "theory/risks/kernel_predictors.py": ("targets: degrees without biases",),
    "problem/neurons.py": ("targets: second moment",),
    "problem/sampled.py": ("targets: sampled second moment",),
    "regression/streamed/stream.py": ("stream: a block",),
}
"""Files that compile something each time a function is called, and the example of each place."""

_ROOT = Path(rf_limits.__file__).parent
_JITS = {"jit", "pjit", "pmap", "filter_jit", "jit_quickly"}
_JITTED = type(jax.jit(lambda: None))


def lowered(step: Callable, *arguments: Any, **named: Any) -> export.Exported:
    """The step in StableHLO, traced as where the default backend is an accelerator.

    What was traced before, for the CPU, is forgotten, and so is what is traced here. Looking for
    garbage meanwhile would take a sixth of the time.
    """
    jitted = getattr(step, "optimized", step)
    jitted.clear_cache()
    gc.disable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "default_backend", lambda: "gpu")
        try:
            return export.export(jitted, platforms=PLATFORMS)(*arguments, **named)
        finally:
            gc.enable()
            jitted.clear_cache()


@pytest.mark.parametrize("name", EXAMPLES)
def test_step_lowers_for_accelerators(name):
    example = EXAMPLES[name]
    exported = lowered(example.step, *example.arguments(), **example.named)
    assert exported.platforms == PLATFORMS


@pytest.mark.parametrize(
    "function",
    [
        jax.lax.linalg.schur,  # no rule for either
        jnp.linalg.eig,  # none for TPU
        lambda x: jax.pure_callback(jnp.sin, jax.ShapeDtypeStruct((3, 3), jnp.float64), x),
    ],
    ids=["schur", "eig", "callback"],
)
def test_what_an_accelerator_cannot_do_is_found(function):
    """The CPU, on which all other tests run, lowers the same function without complaint."""
    step = jax.jit(function)
    step.lower(floats(3, 3))
    with pytest.raises(NotImplementedError):
        lowered(step, floats(3, 3))


def test_program_is_the_one_of_accelerators():
    """A sum over 600 x 600 pairs is a loop on a CPU and none on accelerators, also traced later."""
    step = jax.jit(relu_sum_square)
    neurons = ((ReluSum(floats(600, 3), None, floats(600)),),)
    assert blocks.pairs_at_once() < 4 * 600**2
    assert "while" in step.lower(*neurons).as_text()
    assert "while" not in lowered(step, *neurons).mlir_module()
    assert "while" in step.lower(*neurons).as_text()


def _places(tree: ast.AST, inside: bool = False) -> Iterator[bool]:
    """For every mention of a function that compiles, whether it is within a function."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    body = getattr(tree, "body", None) if isinstance(tree, functions) else []
    body = body if isinstance(body, list) else [body]
    if isinstance(tree, ast.Attribute | ast.Name):
        name = tree.attr if isinstance(tree, ast.Attribute) else tree.id
        if name in _JITS:
            yield inside
    for child in ast.iter_child_nodes(tree):
        yield from _places(child, inside or child in body)


def _sources(*words: str) -> dict[str, ast.Module]:
    """Files with one of these words; what compiling.py compiles is what others hand to it."""
    texts = {str(path.relative_to(_ROOT)): path.read_text() for path in _ROOT.rglob("*.py")}
    del texts["devices/compiling.py"]
    found = (name for name in sorted(texts) if any(word in texts[name] for word in words))
    return {name: ast.parse(texts[name]) for name in found}


@functools.cache
def _modules() -> list[ModuleType]:
    names = [info.name for info in pkgutil.walk_packages(rf_limits.__path__, "rf_limits.")]
    return [importlib.import_module(name) for name in names]


def _compiled(owner: ModuleType | type, module: str) -> Iterator[tuple[str, Callable]]:
    """By name, what is compiled among the attributes of a module and of its own classes."""
    for name, value in vars(owner).items():
        value = getattr(value, "__func__", value)  # of static and class methods
        if isinstance(getattr(value, "optimized", value), _JITTED):
            yield f"{owner.__name__}.{name}", value
        elif isinstance(value, type) and value.__module__ == module:
            yield from _compiled(value, module)


def _all_compiled() -> dict[int, str]:
    """Names of all compiled functions, by identity: several modules import the same one."""
    return {
        id(value): name
        for module in _modules()
        for name, value in _compiled(module, module.__name__)
    }


def _without_example() -> set[str]:
    known = {id(example.step) for example in COMPILED.values()}
    return {name for key, name in _all_compiled().items() if key not in known}


def test_every_compiled_function_has_an_example(monkeypatch):
    assert _without_example() == set()
    for compile_ in (jax.jit, jit_quickly):
        monkeypatch.setattr(blocks, "_new", compile_(lambda x: x), raising=False)
        assert _without_example() == {"rf_limits.theory.numerics.blocks._new"}


def test_every_place_that_compiles_is_known():
    """Functions compiled where a module or class is made are found as attributes, the rest listed.

    Lists of several compiled functions, for instance, would be in no attribute of their own.
    """
    within, outside = {}, 0
    for name, tree in _sources(*_JITS).items():
        places = list(_places(tree))
        outside += places.count(False)
        if True in places:
            within[name] = places.count(True)
    assert within == {name: len(examples) for name, examples in WITHIN_FUNCTIONS.items()}
    assert outside == len(_all_compiled())
    assert {name for names in WITHIN_FUNCTIONS.values() for name in names} <= COMPILED.keys()


def test_places_that_compile_are_told_apart():
    source = """
@partial(jax.jit, static_argnums=0)
def f(x):
    return jax.jit(lambda: jit(x))
class C:
    @jit_quickly
    def g(self, h=jax.jit(f)):
        ...
later = lambda: jax.jit(f)
"""
    assert sorted(_places(ast.parse(source))) == [False, False, False, True, True, True]


def test_package_tells_the_cpu_from_the_rest_and_no_more():
    """So one trace serves CUDA and TPU: whatever asks for the backend asks whether it is a CPU."""

    def asked(tree: ast.AST) -> list[ast.AST]:
        return [node for node in ast.walk(tree) if getattr(node, "attr", "") == "default_backend"]

    def is_cpu(node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare):
            return False
        return [getattr(right, "value", None) for right in node.comparators] == ["cpu"]

    for name, tree in _sources("default_backend").items():
        told = [found for node in ast.walk(tree) if is_cpu(node) for found in asked(node)]
        assert len(asked(tree)) == len(told), name
