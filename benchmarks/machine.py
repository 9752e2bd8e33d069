"""What the ratios were measured on, and with: python -m benchmarks.machine prints it.

A process of its own asks, so that the one that starts the jobs takes no accelerator from them.
"""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jax

PACKAGES = ("jax", "jaxlib", "flax", "optax", "neural-tangents", "numpy", "scipy")
OTHERS = ("torch", "scikit-learn")
ACCELERATOR_PACKAGES = ("jax-cuda12-plugin", "jax-cuda13-plugin", "jax-rocm7-plugin")


def machine() -> dict[str, str]:
    """The device that JAX uses by default, and versions."""
    device = jax.devices()[0]
    cores = f"{len(os.sched_getaffinity(0))} CPU cores ({_processor()})"
    facts = {"device": cores}
    names = (*PACKAGES, *OTHERS)
    if device.platform != "cpu":
        facts = {"device": f"{jax.device_count()} x {device.device_kind}", "host": cores}
        names = (*names, *ACCELERATOR_PACKAGES)
    versions = {name: _version(name) for name in names}
    found = {name: version for name, version in versions.items() if version is not None}
    return {**facts, "python": platform.python_version(), **found}


def ask() -> tuple[dict[str, str], str]:
    """The same, and JAX's default backend, found out by a process that ends at once."""
    command = [sys.executable, "-m", "benchmarks.machine"]
    here = Path(__file__).parents[1]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=here, check=True)
    facts, backend = json.loads(done.stdout.strip().splitlines()[-1])
    return facts, backend


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.stdout.write(json.dumps([machine(), jax.default_backend()]) + "\n")
