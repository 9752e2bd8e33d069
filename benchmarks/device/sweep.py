"""A sweep as whole processes: on the accelerator and on the CPU cores of the same machine."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.device.bench import Bench, attempt, say
from benchmarks.jobs.sweep import CONFIG, run
from benchmarks.rows import Row

# The process of the benchmark holds most of the device's memory.
_DEVICE = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
_PLATFORMS = {"device": _DEVICE, "CPU": {"JAX_PLATFORMS": "cpu"}}


def sweep(bench: Bench) -> Iterator[Row]:
    """Cold and warm, each against the CPU."""
    widths, steps = bench.sizes.sweep, bench.sizes.sweep_steps
    job = f"a sweep of widths {', '.join(map(str, widths))} x 3 scales, 3 seeds, {steps} steps"
    found: dict[tuple[str, str], dict] = {}

    def one(folder: Path, platform: str, again: str) -> Iterator[Row]:
        name, cache = f"{platform}-{again}", f"cache-{platform}"
        given = {**_PLATFORMS[platform], "PYTHONPATH": _paths()}
        facts = run(folder, name, cache, bench.sizes.sweep_seconds, **given)
        found[platform, again] = facts
        say(f"{name}: {facts['wall_time_s']:.3g} s")
        if platform == "CPU":
            yield from compare(again)

    def compare(again: str) -> Iterator[Row]:
        if ("device", again) not in found:
            return
        ours, other = (found[platform, again] for platform in ("device", "CPU"))
        walls = ours["wall_time_s"], other["wall_time_s"]
        compiling = ours["compiling"]
        fresh = compiling["programs"] - compiling["from_disk"]
        note = f"{compiling['seconds']:.3g} s to compile {fresh} programs and read "
        note += f"{compiling['from_disk']}; on CPU {other['compiling']['seconds']:.3g} s"
        against = f"itself on the CPU of the same machine, {again}"
        yield Row(job, against, walls[1] / walls[0], None, True, *walls, note)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.py").write_text(CONFIG.format(widths=tuple(widths), steps=steps))
        for again in ("cold", "warm"):
            for platform in _PLATFORMS:
                given = (folder, platform, again)
                yield from attempt(job, f"{platform}, {again}", lambda given=given: one(*given))


def _paths() -> str:
    root = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
