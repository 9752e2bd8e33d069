"""A sweep of widths and scales: how much of a first run is compiling, and of a second one."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.rows import Row, hand_over

CONFIG = """
from rf_limits import default_config


def get_config():
    config = default_config()
    config.model.widths = {widths}
    config.model.lazy_scales = (0.1, 1.0, 10.0)
    config.training.steps = {steps}
    return config
"""
WIDTHS, STEPS = (8, 16, 32, 64, 128, 256, 512, 1024), 4000


def run(
    folder: Path, name: str, cache: str = "cache", timeout: float | None = None, **environment: str
) -> dict:
    """run.json of one process that shares its compiled programs with those of the same cache."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / cache), **environment}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    script = Path(__file__).parents[2] / "scripts" / "train.py"
    command = [sys.executable, str(script), f"--config={folder / 'config.py'}"]
    command += [f"--workdir={folder / name}"]
    quiet = {"stdout": subprocess.DEVNULL, "timeout": timeout}
    subprocess.run(command, env=environment, check=True, **quiet)
    return json.loads((folder / name / "run.json").read_text())


def rows() -> list[Row]:
    """Rows of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.py").write_text(CONFIG.format(widths=WIDTHS, steps=STEPS))
        cold, warm = run(folder, "cold"), run(folder, "warm")
    job = "a sweep of 8 widths x 3 scales, n = 512, 3 seeds, 4000 steps"
    share = cold["compiling"]["seconds"] / cold["wall_time_s"]
    again = warm["compiling"]["programs"] - warm["compiling"]["from_disk"]
    walls = cold["wall_time_s"], warm["wall_time_s"]
    note = f"{cold['compiling']['programs']} programs"
    return [
        Row(job, "itself: share of compiling in a cold run", share, 0.3, False, *walls, note),
        Row(job, "itself: programs compiled again by a warm process", again, 0.0, False),
    ]


if __name__ == "__main__":
    hand_over(rows())
