"""What a run has to say about where its numbers come from."""

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
    """Commit of the checkout the package runs from, "+changes" if files differ; else None.

    Results are not among those files: one that replaces a committed result says nothing about
    the code that made it.
    """
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return None
    changed = _git("status", "--porcelain", "-uno", "--", ":/", ":/!results")
    return f"{revision}+changes" if changed else revision


def provenance(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Command, revision, program, versions, device, options and start time.

    Args:
      tables: to which users may have added (:func:`rf_limits.runs.program.program`).
    """
    versions = {"rf_limits": rf_limits.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    devices = jax.devices()
    return {
        "command": shlex.join(sys.argv),
        "git_revision": git_revision(),
        "program": program(tables),
        "versions": versions,
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
