"""neural-tangents is imported without a trace and without TensorFlow, in a fresh process."""

import subprocess
import sys

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


def test_missing_library_is_explained():
    code = (
        "import sys; sys.modules['neural_tangents'] = None\n"
        "import rf_limits\n"
        "del sys.modules['neural_tangents']\n"
        "sys.meta_path.insert(0, type('Hide', (), {'find_spec': staticmethod(lambda n, p, t=None: "
        "(_ for _ in ()).throw(ModuleNotFoundError(n, name=n)) if n.startswith('neural_tangents') "
        "else None)}))\n"
        "import rf_limits.models._neural_tangents"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install --no-deps neural-tangents==0.6.5" in done.stderr


def test_nothing_else_imports_neural_tangents():
    import pathlib

    import rf_limits

    root = pathlib.Path(rf_limits.__file__).parent
    users = [
        p.name for p in root.rglob("*.py") if "import neural_tangents" in p.read_text().lower()
    ]
    assert users == []
