r"""Exact expectations of products of ReLU neurons under x ~ N(0, I_d).

Two neurons h = <w, x> + a and g = <v, x> + b enter only through the lengths of w and v,
the angle theta between them and the biases. Everything follows from the truncated moments

.. math::
    P &= E\,1[h>0]1[g>0], \\
    m &= E\,1[h>0]1[g>0]\,x = p_w \hat w + p_v \hat v, \\
    M &= E\,1[h>0]1[g>0]\,xx^T = P\,I - \alpha p_w \hat w\hat w^T - \beta p_v \hat v\hat v^T
         + R \sin\theta\,(e_+e_+^T - e_-e_-^T),

with alpha = a/|w|, beta = b/|v|, p_w = phi(alpha) Phi((beta - c alpha)/sin theta), p_v its
mirror image, R/sin(theta) the bivariate normal density at (alpha, beta), and e_+, e_- the
unit vectors along the sum and the difference of the two directions (docs/theory.md derives
them by Stein's lemma). Without biases P = (pi - theta)/(2 pi), p_w = p_v = 1/(2 sqrt(2 pi))
and R = 1/(2 pi): the arc-cosine kernels of Cho and Saul (2009). In e_+, e_- no term cancels
where the two directions are (anti)parallel.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.errors import check
from rf_limits.theory.expectations.gated_gram import gated_gram
from rf_limits.theory.expectations.relu_form import Neurons, relu_form
from rf_limits.theory.expectations.relu_gram import relu_gram
from rf_limits.theory.numerics.blocks import fits_one_block, sum_over_blocks, symmetric_sum
from rf_limits.theory.numerics.float_arrays import has_shape
from rf_limits.theory.spectra.relu_degrees import ReluFields, relu_zonal_sum
from rf_limits.theory.spectra.zonal import Radii, ZonalSum


class ReluSum(ReluFields):
    r"""A function that is a sum of ReLU neurons and of their gradient features.

    f(x) = sum_i amplitude_i relu(h_i) + 1[h_i > 0] (<slope_i, x> + offset_i),
    h_i = <weights_i, x> + bias_i. Networks, random-feature predictors and teachers have no
    slope; linearized networks and tangent-feature predictors do.

    Attributes:
      weights: (m, d) gate directions.
      biases: (m,) gate biases, or None for none.
      amplitudes: (m,) coefficients of the neurons.
      slopes: (m, d) coefficients of 1[h > 0] x, or None.
      offsets: (m,) coefficients of 1[h > 0], or None.

    Raises:
      RequirementError: arrays whose shapes do not go together. Leading axes may stand before
        those given, the same in all fields; nan is let through, as what a diverged network is.
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> "ReluSum":
        """Makes a sum from its fields in this order or by name; lists become arrays."""
        made = super().__new__(cls, *args, **kwargs)
        fields = {
            name: np.asarray(value) if isinstance(value, list | tuple) else value
            for name, value in made._asdict().items()
        }
        shape = fields["weights"].shape if has_shape(fields["weights"]) else None
        for name, value in fields.items():
            if value is None or shape is None or not has_shape(value):
                continue
            check(value.dtype.kind not in "OUSMmc", name, "be real numbers", str(value.dtype))
            if name == "weights":
                check(len(shape) >= 2, name, "have two axes, neurons and inputs", shape)
                continue
            wanted = shape if name == "slopes" else shape[:-1]
            check(value.shape == wanted, name, f"have the shape {wanted}", value.shape)
        return cls._make(fields.values())

    def in_float64(self) -> "ReluSum":
        """Returns the same in float64."""
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), self)

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, "n"]:
        """Returns values at the rows of ``x``."""
        h = x @ self.weights.T
        if self.biases is not None:
            h = h + self.biases
        value = jnp.maximum(h, 0.0) @ self.amplitudes
        inside = jnp.zeros_like(h)
        if self.slopes is not None:
            inside = inside + x @ self.slopes.T
        if self.offsets is not None:
            inside = inside + self.offsets
        return value + jnp.sum(jnp.where(h > 0.0, inside, 0.0), axis=1)

    @property
    def dim(self) -> int:
        """Input dimension d."""
        return self.weights.shape[1]

    @property
    def is_homogeneous(self) -> bool:
        """Whether f(r x) = r f(x): without biases and offsets."""
        return self.biases is None and self.offsets is None

    @property
    def odd_degrees(self) -> bool:
        """Whether odd degrees k >= 3 are present: without biases they vanish."""
        return not self.is_homogeneous

    def negative(self) -> "ReluSum":
        """Returns -f."""
        parts = (self.amplitudes, self.slopes, self.offsets)
        return ReluSum(self.weights, self.biases, *(None if x is None else -x for x in parts))

    def zonal_sum(self, max_degree: int, radii: Radii) -> ZonalSum:
        """Returns the function by degree (:mod:`rf_limits.theory.spectra.zonal`)."""
        return relu_zonal_sum(self, max_degree, radii)


# What jax.tree.map and transformations put in place of the arrays is not checked.
jax.tree_util.register_pytree_with_keys(
    ReluSum,
    lambda f: ([(jax.tree_util.GetAttrKey(k), x) for k, x in f._asdict().items()], None),
    lambda _, children: ReluSum._make(children),
    lambda f: (tuple(f), None),
)


def _affine_parts(f: ReluSum) -> tuple[Array, Array | None]:
    """Returns the coefficients (p, q) of f(x) = sum_i 1[h_i > 0] (<p_i, x> + q_i)."""
    p = f.amplitudes[:, None] * f.weights
    if f.slopes is not None:
        p = p + f.slopes
    q = None
    if f.biases is not None:
        q = f.amplitudes * f.biases
    if f.offsets is not None:
        q = f.offsets if q is None else q + f.offsets
    return p, q


def _neurons(f: ReluSum) -> Neurons:
    return Neurons(f.amplitudes, f.weights, f.biases)


def _plain_product(f: ReluSum, g: ReluSum) -> Array:
    """Returns E f(x) g(x) for neurons alone, by their Gram matrix."""
    return f.amplitudes @ relu_gram(f.weights, f.biases, g.weights, g.biases) @ g.amplitudes


def _gated_product(f: ReluSum, g: ReluSum) -> Array:
    """Returns E f(x) g(x) through the truncated moments: one (m, k) matrix, summed."""
    (p, q), (r, s) = _affine_parts(f), _affine_parts(g)
    return jnp.sum(gated_gram(f.weights, f.biases, p, q, g.weights, g.biases, r, s))


def relu_sum_product(
    f: ReluSum, g: ReluSum, *, block_entries: int | None = None
) -> Float[Array, ""]:
    """Returns E f(x) g(x) for two sums of neurons and gradient features, x ~ N(0, I_d).

    Args:
      f: first function, m gates in dimension d.
      g: second function, k gates in the same dimension.
      block_entries: where m k is larger, pairs are taken in blocks of rows of about this
        many, in the derivatives too: peak memory is then O(block_entries + (m + k) d). None: what
        suits the device (:func:`~rf_limits.theory.numerics.blocks.pairs_at_once`).

    Returns:
      The expectation, at a cost of O(m k d). Sources:
      :mod:`rf_limits.theory.expectations.relu_gram`, and the truncated moments in the module
      docstring. Differentiable like those for sums of neurons, and once with gradient features
      (:func:`gated_gram`). Where g is f, the same object, the value takes half the pairs. Computed
      in float64.

    Raises:
      RequirementError: functions in different dimensions.
    """
    if f is g:
        return _square((f.in_float64(),), block_entries)
    _check_dims((f, g))
    return _product(f.in_float64(), g.in_float64(), block_entries)


def relu_sum_square(
    parts: tuple[ReluSum, ...], *, block_entries: int | None = None
) -> Float[Array, ""]:
    """Returns E f(x)^2 for f the sum of several sums of neurons and gradient features.

    Args:
      parts: sums in the same dimension.
      block_entries: as in :func:`relu_sum_product`.

    Returns:
      The expectation, from half the pairs of all gates, in one loop; differentiable like
      :func:`relu_sum_product`, part by part, so that parts that stand still cost no derivative.

    Raises:
      RequirementError: parts in different dimensions.
    """
    _check_dims(parts)
    return _square(tuple(part.in_float64() for part in parts), block_entries)


def _check_dims(parts: tuple[ReluSum, ...]) -> None:
    dims = [part.dim for part in parts]
    check(len(set(dims)) == 1, "weights", "have the same dimension in all sums", tuple(dims))


def _joined(parts: tuple[ReluSum, ...]) -> ReluSum:
    """Returns one sum with the gates of all parts."""
    if len(parts) == 1:
        return parts[0]

    def column(name: str) -> Array | None:
        columns = [getattr(part, name) for part in parts]
        if all(value is None for value in columns):
            return None
        like = "weights" if name == "slopes" else "amplitudes"
        zeros = [jnp.zeros_like(getattr(part, like)) for part in parts]
        pairs = zip(columns, zeros, strict=True)
        return jnp.concatenate([zero if value is None else value for value, zero in pairs])

    return ReluSum(*(column(name) for name in ReluSum._fields))


def _pairs(f: ReluSum, g: ReluSum) -> Callable[[ReluSum, ReluSum], Array]:
    """Returns how the product of two sums is summed over their pairs."""
    plain = all(part is None for part in (f.slopes, f.offsets, g.slopes, g.offsets))
    return _plain_product if plain else _gated_product


def _product(f: ReluSum, g: ReluSum, block_entries: int | None) -> Array:
    pairs = _pairs(f, g)
    fits = fits_one_block(f.amplitudes.size, g.amplitudes.size, block_entries)
    if pairs is _plain_product and fits:
        left = _neurons(f)
        return relu_form(left, left if f is g else _neurons(g))
    if f.amplitudes.size < g.amplitudes.size:
        f, g = g, f
    return sum_over_blocks(pairs, f, g, block_entries=block_entries)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _square(parts: tuple[ReluSum, ...], block_entries: int | None) -> Array:
    """Returns E f(x)^2 from the pairs of one triangle."""
    f = _joined(parts)
    return symmetric_sum(_pairs(f, f), f, block_entries=block_entries)


@partial(_square.defjvp, symbolic_zeros=True)
def _square_jvp(block_entries: int | None, primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Returns value and change from all pairs; what stands still is a constant."""
    leaves, tree = jax.tree.flatten(primals[0])
    changes = jax.tree.leaves(tangents[0])
    still = [isinstance(t, jax.custom_derivatives.SymbolicZero) for t in changes]
    moving = [i for i, fixed in enumerate(still) if not fixed]

    def of(*moved: Array) -> Array:
        whole = list(leaves)
        for i, leaf in zip(moving, moved, strict=True):
            whole[i] = leaf
        parts = jax.tree.unflatten(tree, whole)
        none = jnp.zeros(())
        own = sum((_product(part, part, block_entries) for part in parts), none)
        pairs = itertools.combinations(parts, 2)
        return own + 2.0 * sum((_product(f, g, block_entries) for f, g in pairs), none)

    return jax.jvp(of, [leaves[i] for i in moving], [changes[i] for i in moving])
