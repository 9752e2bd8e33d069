"""Types shared by all modules."""

from typing import Any, TypeVar

import jax
from jaxtyping import Array, Float

Scalar = float | int | Float[Array, ""]
"""A Python number or a zero-dimensional array, traced or not."""

Class = TypeVar("Class", bound=type)


def as_tree(cls: Class, arrays: tuple[str, ...], fixed: tuple[str, ...] = ()) -> Class:
    """Registers a dataclass as a tree of JAX: ``arrays`` may be traced, ``fixed`` may not.

    What JAX puts in place of the arrays is not checked, unlike what a user does.

    Args:
      cls: the dataclass.
      arrays: names of fields that are arrays, or trees of them.
      fixed: names of the other fields, which are hashable.
    """

    def flatten(value: Any) -> tuple[list, tuple]:
        parts = [(jax.tree_util.GetAttrKey(name), getattr(value, name)) for name in arrays]
        return parts, tuple(getattr(value, name) for name in fixed)

    def unflatten(rest: tuple, children: Any) -> Any:
        made: Any = object.__new__(cls)
        for name, value in zip((*arrays, *fixed), (*children, *rest), strict=True):
            object.__setattr__(made, name, value)
        return made

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls
