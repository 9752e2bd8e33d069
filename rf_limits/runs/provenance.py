"""Facts about where the numbers of a run come from."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

import rf_limits
from rf_limits.devices.options import options
from rf_limits.runs.program import PACKAGES, program


def _git(*arguments: str) -> str | None:
    root = Path(rf_limits.__file__).parent.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def git_revision() -> str | None:
    """Returns the commit of the package's checkout, with "+changes" if files differ; else None.

    Files of results do not count: they say nothing about the code that made them.
    """
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None
    changed = _git("status", "--porcelain", "-uno", "--", ":/", ":/!results")
    return f"{revision}+changes" if changed else revision


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def provenance(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns command, revision, program, versions, device, options and start time.

    Args:
      tables: those to which users may have added entries (:func:`rf_limits.runs.program.program`).
    """
    devices = jax.devices()
    return {
        "command": shlex.join(sys.argv),
        "git_revision": git_revision(),
        "program": program(tables),
        "versions": {
            "rf_limits": rf_limits.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "device": {
            "platform": devices[0].platform,
            "kind": devices[0].device_kind,
            "count": len(devices),
            "processes": jax.process_count(),
            "cpu_cores": len(os.sched_getaffinity(0)),
        },
        "options": options(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
