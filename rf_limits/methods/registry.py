"""The table of methods, to which users add their own."""

from collections.abc import Iterable

from rf_limits.errors import check
from rf_limits.methods.baselines import BASELINES
from rf_limits.methods.fitted import FittedMethod
from rf_limits.methods.infinite_width import NNGP, NTK
from rf_limits.methods.kernel import KernelMethod
from rf_limits.methods.linearized import LINEARIZED
from rf_limits.methods.method import Entry, Kind, Method
from rf_limits.methods.network import NETWORK
from rf_limits.methods.random_features import RANDOM_FEATURES
from rf_limits.methods.rf_descent import RF_DESCENT
from rf_limits.methods.tangent_features import TANGENT_FEATURES
from rf_limits.methods.trained import TrainedMethod
from rf_limits.named import Named


class Methods(Named[Method]):
    """Methods by key, in the order in which tables and figures have them."""

    def __init__(self, methods: Iterable[Method]):
        super().__init__({method.key: method for method in methods})

    def __setitem__(self, key: str, method: Method) -> None:
        """Puts a method under its key.

        Raises:
          RequirementError: it has another key.
        """
        check(key == method.key, "METHODS", f"have the method {method.key!r} under its key", key)
        super().__setitem__(key, method)

    def add(self, method: Method) -> None:
        """Puts a method under its key, behind those that are there."""
        self[method.key] = method

    def of(self, *kinds: Kind) -> tuple[Method, ...]:
        """Returns the methods of some kinds: kind by kind, each in the table's order."""
        return tuple(m for kind in kinds for m in self.values() if m.kind is kind)

    def named(self, keys: Iterable[str], *kinds: Kind) -> tuple[Method, ...]:
        """Returns the methods of some keys and kinds (of all kinds if none is named), in order."""
        wanted = frozenset(keys)
        return tuple(m for m in self.values() if m.key in wanted and m.kind in (kinds or Kind))

    def trained(self, keys: Iterable[str]) -> tuple[TrainedMethod, ...]:
        """Returns the methods of some keys that are trained by steps, in order."""
        return tuple(m for m in self.named(keys) if isinstance(m, TrainedMethod))

    def fitted(self, keys: Iterable[str]) -> tuple[FittedMethod, ...]:
        """Returns the methods of some keys that are fitted to a network's features, in order."""
        return tuple(m for m in self.named(keys) if isinstance(m, FittedMethod))

    def kernels(self, keys: Iterable[str]) -> tuple[KernelMethod, ...]:
        """Returns the methods of some keys that are regression with a kernel, in order."""
        return tuple(m for m in self.named(keys) if isinstance(m, KernelMethod))

    def default(self, *kinds: Kind) -> tuple[Method, ...]:
        """Returns the methods that runs have by default, of some kinds or of all."""
        return tuple(m for m in self.named(self, *kinds) if m.by_default)


METHODS = Methods(
    (
        NETWORK,
        LINEARIZED,
        RANDOM_FEATURES,
        TANGENT_FEATURES,
        NNGP,
        NTK,
        RF_DESCENT,
    )
)


def keys_of(methods: Iterable[Entry]) -> tuple[str, ...]:
    """Returns the keys of methods, as a table's column ``method`` and configs hold them."""
    return tuple(method.key for method in methods)


def entry_of(key: str) -> Entry | None:
    """Returns the method or baseline of a key; None for one that this process does not know."""
    return METHODS.get(key) or BASELINES.get(key)
