"""Which kernels of a device a call spends its time in, from a trace of JAX's profiler."""

import collections
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from benchmarks.timing import Work, seconds

TOP = 10
_DERIVED = ("XLA", "Steps", "Framework", "TensorFlow", "Source", "Launch Stats")
"""Beginnings of the names of lines that repeat in other words what the streams did."""
_HOLDERS = ("while", "conditional", "call")
"""Operations on a CPU that others run inside of."""


class Kernel(NamedTuple):
    """All calls of one kernel.

    Attributes:
      name: of the kernel.
      operation: of the program that the first of them belongs to, or "".
      calls: how many.
      seconds: in all.
    """

    name: str
    operation: str
    calls: int
    seconds: float


def kernels(events: Iterable[Mapping[str, Any]]) -> list[Kernel]:
    """Kernels by total time, from the events of a trace (Chrome's format).

    Those on devices; where there is none (CPU), the operations of programs on the host.
    """
    events = list(events)
    names: dict[Any, str] = {}
    for event in events:
        if event.get("ph") == "M":
            place = event["pid"], event.get("tid") if event["name"] == "thread_name" else None
            names[place] = event.get("args", {}).get("name", "")
    spans = [event for event in events if event.get("ph") == "X"]

    def line(event: Mapping[str, Any]) -> str:
        """Name of the line of a device on which something ran, or "" on the host."""
        if "/device:" not in names.get((event["pid"], None), ""):
            return ""
        return names.get((event["pid"], event.get("tid")), "unnamed")

    chosen = [event for event in spans if line(event).startswith("Stream")]
    if not chosen:
        chosen = [event for event in spans if line(event) and not line(event).startswith(_DERIVED)]
    if not chosen:
        inside = [event for event in spans if "hlo_op" in event.get("args", {})]
        chosen = [event for event in inside if not event["name"].startswith(_HOLDERS)]
    total: dict[str, float] = collections.defaultdict(float)
    calls: collections.Counter[str] = collections.Counter()
    operations: dict[str, str] = {}
    for event in chosen:
        name = event["name"]
        total[name] += event.get("dur", 0.0) * 1e-6
        calls[name] += 1
        operations.setdefault(name, str(event.get("args", {}).get("hlo_op", "")))
    found = [Kernel(name, operations[name], calls[name], total[name]) for name in total]
    return sorted(found, key=lambda kernel: -kernel.seconds)


def read(path: Path) -> list[Kernel]:
    """Kernels of a ``*.trace.json.gz``."""
    with gzip.open(path, "rt") as file:
        return kernels(json.load(file)["traceEvents"])


def table(title: str, found: list[Kernel], wall: float) -> str:
    """The first :data:`TOP` of them as text."""
    total = sum(kernel.seconds for kernel in found)
    lines = [
        f"{title}: {1e3 * wall:.3g} ms traced, {1e3 * total:.3g} ms in "
        f"{sum(kernel.calls for kernel in found)} kernels"
    ]
    for kernel in found[:TOP]:
        share = kernel.seconds / total if total else 0.0
        operation = "" if kernel.operation in ("", kernel.name) else f"  [{kernel.operation}]"
        lines.append(
            f"  {share:6.1%} {1e3 * kernel.seconds:10.3f} ms {kernel.calls:7d} x "
            f"{kernel.name[:100]}{operation}"
        )
    return "\n".join(lines)


def profiled(work: Work, name: str, folder: Path) -> str:
    """Traces one call of ``work``, which was called before.

    Args:
      work: what is called.
      name: of the file ``<name>.trace.json.gz`` that is kept.
      folder: where it goes.

    Returns:
      Its kernels as text.
    """
    with tempfile.TemporaryDirectory() as scratch:
        with jax.profiler.trace(scratch):
            wall = seconds(work)
        traces = sorted(Path(scratch).rglob("*.trace.json.gz"))
        if not traces:
            raise FileNotFoundError("the profiler wrote no trace")
        kept = folder / f"{name}.trace.json.gz"
        shutil.copyfile(traces[0], kept)
    return table(name, read(kept), wall)
