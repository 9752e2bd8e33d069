"""Compiled programs kept on disk from one process to the next, and what compiling took."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rf_limits.runs.store import check_takes_files

_MOST_BYTES = 2**30
_COMPILED = "/jax/core/compile/backend_compile_duration"
_FOUND = "/jax/compilation_cache/cache_hits"


class Compiling(NamedTuple):
    """What a process has compiled so far.

    Attributes:
      seconds: spent in XLA, or reading from disk.
      programs: how many programs.
      from_disk: how many of them were found on disk.
    """

    seconds: float = 0.0
    programs: int = 0
    from_disk: int = 0

    def since(self, before: "Compiling") -> dict[str, Any]:
        """What has been added since ``before``, as run.json holds it."""
        seconds, programs, found = (a - b for a, b in zip(self, before, strict=True))
        return {"seconds": round(seconds, 3), "programs": programs, "from_disk": found}


_so_far = [Compiling()]


def compiling() -> Compiling:
    """What this process has compiled so far."""
    return _so_far[0]


def _on_duration(event: str, seconds: float, **_: Any) -> None:
    if event == _COMPILED:
        now = _so_far[0]
        _so_far[0] = now._replace(seconds=now.seconds + seconds, programs=now.programs + 1)


def _on_event(event: str, **_: Any) -> None:
    if event == _FOUND:
        _so_far[0] = _so_far[0]._replace(from_disk=_so_far[0].from_disk + 1)


jax.monitoring.register_event_duration_secs_listener(_on_duration)
jax.monitoring.register_event_listener(_on_event)


def cache_directory() -> Path:
    """Where compiled programs are kept by default."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rf_limits" / "compiled"


def keep_compiled() -> None:
    """Has JAX keep what it compiles: the same run in another process compiles nothing.

    In :func:`cache_directory`, the least recently used beyond 1 GiB thrown away; where
    ``JAX_COMPILATION_CACHE_DIR`` is set, as that and JAX's other options say. A default directory
    that cannot be written to is not used.

    Raises:
      RequirementError: the directory that is set cannot be written to, of which JAX would warn
        with every program.
    """
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR", jax.config.jax_compilation_cache_dir)
    if named is not None:
        if named and "://" not in named:  # addresses of buckets are JAX's to open
            check_takes_files(Path(named), "JAX_COMPILATION_CACHE_DIR")
        _keep_short_ones()
        return
    try:
        path = cache_directory()
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or read-only
        return
    if not os.access(path, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_compilation_cache_max_size", _MOST_BYTES)
    _keep_short_ones()


def _keep_short_ones() -> None:
    """By default JAX keeps only what took a second to compile: most programs here take less."""
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
