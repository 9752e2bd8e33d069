"""What arrays show of how runs were drawn: against a premise, never for it."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import stats

from rf_limits.problem.problem import Problem

_SURELY = 1e-9
"""Probability below which the lengths of inputs are not those of their stated law."""
_DIGITS = 6


def _content(tree: Any) -> bytes:
    """Returns the type and the arrays of a tree as bytes: equal for equal trees."""
    leaves, structure = jax.tree.flatten(tree)
    parts = [str(structure).encode(), *(np.asarray(leaf).tobytes() for leaf in leaves)]
    return b"|".join(parts)


def _repeats(items: Iterable[Any]) -> bool:
    """Returns whether two items are equal."""
    listed = list(items)
    return len(set(listed)) < len(listed)


def _share_rows(arrays: Sequence[np.ndarray]) -> bool:
    """Returns whether two arrays have a row in common, to six digits."""
    rows = [
        {np.round(row / max(np.max(np.abs(row)), 1e-300), _DIGITS).tobytes() for row in array + 0.0}
        for array in arrays
    ]
    return sum(map(len, rows)) > len(set(itertools.chain.from_iterable(rows)))


def _lengths_differ(arrays: Sequence[np.ndarray], inputs: str) -> bool:
    """Returns whether inputs have lengths that their law does not give them."""
    if not arrays:
        return False
    x = np.concatenate(arrays)
    squares, dim = np.sum(x * x, axis=1), x.shape[1]
    if inputs == "sphere":
        return bool(np.any(np.abs(squares / dim - 1.0) > 1e-3))
    total, freedom = float(np.sum(squares)), float(squares.size * dim)
    below, above = stats.chi2.cdf(total, freedom), stats.chi2.sf(total, freedom)
    return not math.isfinite(total) or bool(min(below, above) < _SURELY)


class Draws(NamedTuple):
    """What is seen of several runs.

    Attributes:
      one_target: whether all targets are equal.
      repeated_target: whether two targets are equal.
      repeated_weights: whether two runs have the same weights after training.
      repeated_initial: whether two runs have the same weights before training.
      shared_inputs: whether two runs have a training input in common.
      odd_inputs: whether training inputs have lengths that are not those of their law.
    """

    one_target: bool
    repeated_target: bool
    repeated_weights: bool
    repeated_initial: bool
    shared_inputs: bool
    odd_inputs: bool

    @classmethod
    def seen(
        cls,
        problems: Sequence[Problem],
        weights: Sequence[Any],
        initial: Sequence[Any],
        inputs: Sequence[np.ndarray],
    ) -> "Draws":
        """Returns what the targets, weights and training inputs of runs show.

        Args:
          problems: of every run.
          weights: parameters after training.
          initial: parameters before training, of runs that have them.
          inputs: (n, d) training inputs, of runs that have them.
        """
        targets = [_content(problem.target) for problem in problems]
        return cls(
            one_target=len(set(targets)) == 1,
            repeated_target=_repeats(targets),
            repeated_weights=_repeats(map(_content, weights)),
            repeated_initial=_repeats(map(_content, initial)),
            shared_inputs=_share_rows(inputs),
            odd_inputs=_lengths_differ(inputs, problems[0].inputs),
        )
