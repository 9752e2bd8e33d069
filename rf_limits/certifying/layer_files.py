"""Which arrays of a file are the weights of a network with one hidden layer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rf_limits.certifying.files import Arrays, listed
from rf_limits.errors import RequirementError, check


class Names(NamedTuple):
    """Names of hidden weights, output weights, hidden biases and output bias."""

    hidden: str
    output: str
    bias: str
    output_bias: str


_USUAL = (
    Names("W", "u", "b", "c"),
    Names("hidden_kernel", "output_kernel", "hidden_bias", "output_bias"),
    *(
        Names(f"{first}.weight", f"{last}.weight", f"{first}.bias", f"{last}.bias")
        for first, last in (
            ("fc1", "fc2"),
            ("linear1", "linear2"),
            ("0", "2"),
            ("hidden", "output"),
        )
    ),
    *(
        Names(f"{first}/kernel", f"{last}/kernel", f"{first}/bias", f"{last}/bias")
        for first, last in (
            ("layers_0", "layers_1"),
            ("layers_0", "layers_2"),
            ("Dense_0", "Dense_1"),
        )
    ),
)


class LayerArrays(NamedTuple):
    """Weights as :func:`rf_limits.certify` takes them, and the layout of W."""

    weights: tuple[np.ndarray, ...]
    layout: str


def layer_arrays(
    arrays: Arrays,
    *,
    names: Sequence[str] = (),
    layout: str | None = None,
    others: Sequence[str] = (),
    flag: str = "--weights",
) -> LayerArrays:
    """Returns the weights of a network with one hidden layer among arrays.

    Args:
      arrays: by name.
      names: of W, u and perhaps b; by usual names, else by shapes, where there are none.
      layout: ``"torch"`` where W is (N, d), ``"flax"`` where it is (d, N); None to find it from
        the number of output weights.
      others: names of arrays that are not weights of the network.
      flag: by which the user named the file.

    Raises:
      RequirementError: names that are missing; more than one possibility; an output bias that is
        not 0, which a sum of neurons does not have.
    """
    rest = {name: array for name, array in arrays.items() if name not in others}
    chosen = _named(rest, names) if names else _usual(rest) or _by_shape(rest, flag)
    weights, offset = chosen[:3], chosen[3]
    zero = offset is None or not np.any(np.asarray(offset, np.float64))
    check(zero, flag, "have an output bias of 0, for f is a sum of neurons", offset)
    present = tuple(array for array in weights if array is not None)
    return LayerArrays(present, layout or _layout(present[0], present[1]))


_Chosen = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]


def _named(arrays: Arrays, names: Sequence[str]) -> _Chosen:
    check(len(names) in (2, 3), "--names", "be two or three, of W, u and b", ",".join(names))
    for name in names:
        check(name in arrays, "--names", f"be among {listed(arrays)}", name)
    found = [arrays[name] for name in names]
    return found[0], found[1], found[2] if len(found) == 3 else None, _offset(arrays, names[1])


def _offset(arrays: Arrays, output: str) -> np.ndarray | None:
    """Returns the bias beside output weights that are named weight or kernel."""
    for word in ("weight", "kernel"):
        if output.endswith(word):
            return arrays.get(f"{output.removesuffix(word)}bias")
    return None


def _usual(arrays: Arrays) -> _Chosen | None:
    """Returns the weights by usual names behind one prefix, where no array is left over."""
    for names in _USUAL:
        prefixes = [key.removesuffix(names.hidden) for key in arrays if key.endswith(names.hidden)]
        for prefix in prefixes:
            full = Names(*(f"{prefix}{name}" for name in names))
            needed = {full.hidden, full.output}
            if (not prefix or prefix[-1] in "./") and needed <= set(arrays) <= set(full):
                offset = arrays.get(full.output_bias)
                return arrays[full.hidden], arrays[full.output], arrays.get(full.bias), offset
    return None


def _by_shape(arrays: Arrays, flag: str) -> _Chosen:
    """Returns the weights, where shapes leave just one possibility."""
    matrices = [a for a in arrays.values() if a.ndim == 2 and min(a.shape) > 1]
    single = [a for a in arrays.values() if a.size == 1]
    vectors = [a for a in arrays.values() if a.size > 1 and a.size == max(a.shape)]
    whole = len(matrices) == 1 and len(arrays) == 1 + len(single) + len(vectors)
    if whole and len(single) <= 1 and len({a.size for a in vectors}) == 1:
        offset = single[0] if single else None
        if len(vectors) == 1:
            return matrices[0], vectors[0], None, offset
        outputs = [a for a in vectors if a.ndim == 2]
        biases = [a for a in vectors if a.ndim == 1]
        if len(outputs) == len(biases) == 1:
            return matrices[0], outputs[0], biases[0], offset
    line = f"must hold W, u and perhaps b, and --names say which of {listed(arrays)} they are."
    raise RequirementError(line, field=flag)


def _layout(w: np.ndarray, u: np.ndarray) -> str:
    """Returns the layout of W, from the number of neurons."""
    square = w.ndim == 2 and w.shape[0] == w.shape[1]
    check(not square, "--layout", "be given where W is square, torch or flax", w.shape)
    return "flax" if w.ndim == 2 and w.shape[1] == u.size else "torch"


def array_of(arrays: Mapping[str, np.ndarray], name: str, flag: str) -> np.ndarray:
    """Returns the array of a name.

    Raises:
      RequirementError: there is none; the arrays that there are are listed.
    """
    if name not in arrays:
        line = f"must name an array of the file, but received {name!r} ({listed(arrays)})."
        raise RequirementError(line, field=flag)
    return arrays[name]
