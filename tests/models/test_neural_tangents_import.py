"""neural-tangents is imported without a trace and without TensorFlow, in a fresh process."""

import pathlib
import subprocess
import sys

import pytest

import rf_limits
from rf_limits.models import _neural_tangents

_SNAPSHOT = """
import sys, warnings
warnings.simplefilter("error")
import jax, jax.core, jax.interpreters.ad, jax.extend.core
import rf_limits, scipy.optimize, jax.scipy, jax.example_libraries.stax
names = lambda: {
    (name, key): id(value)
    for name, module in list(sys.modules.items())
    if name.split(".")[0] in ("jax", "jaxlib")
    for key, value in vars(module).items()
    if not key.startswith("__") and not isinstance(value, type(sys))
}
modules = {name for name in sys.modules if name.split(".")[0] == "jax"}
before = names()
from rf_limits.models import _neural_tangents
after = names()
changed = {k for k in before if after.get(k) != before[k]}
assert not changed, changed
added = {k for k in after if k not in before and k[0] in modules}
assert not added, added
assert "jax.util" not in sys.modules and not hasattr(jax, "util")
assert "neural_tangents.experimental" not in sys.modules
foreign = [m for m in sys.modules if m.split(".")[0] in ("tensorflow", "tf2jax")]
assert not foreign, foreign
print("clean")
"""


def test_import_leaves_no_trace():
    done = subprocess.run(
        [sys.executable, "-c", _SNAPSHOT], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "clean", done.stderr


def test_missing_library_is_explained(monkeypatch):
    class Hide:
        """Finds no neural_tangents, wherever it is installed."""

        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "neural_tangents":
                raise ModuleNotFoundError(name, name=name)

    for name in [name for name in sys.modules if name.split(".")[0] == "neural_tangents"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hide(), *sys.meta_path])
    with pytest.raises(ImportError, match="pip install --no-deps neural-tangents==0.6.5"):
        _neural_tangents._import_neural_tangents()


def test_nothing_else_imports_neural_tangents():
    root = pathlib.Path(rf_limits.__file__).parent
    users = [
        p.name for p in root.rglob("*.py") if "import neural_tangents" in p.read_text().lower()
    ]
    assert users == []
