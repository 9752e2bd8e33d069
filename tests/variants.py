"""Which variants of a test run by default."""

from collections.abc import Iterable
from typing import Any

import pytest


def kept(values: Iterable[Any], keep: Iterable[Any]) -> list[Any]:
    """Parameters of a test, all but those in ``keep`` marked slow (``make test-all``)."""
    keep = list(keep)
    return [v if v in keep else pytest.param(v, marks=pytest.mark.slow) for v in values]
