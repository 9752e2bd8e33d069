"""A cache of compiled programs on disk, and the time that compiling took."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rf_limits.runs.directory import check_takes_files

_MOST_BYTES = 2**30
_COMPILED = "/jax/core/compile/backend_compile_duration"
_READ = "/jax/compilation_cache/cache_hits"


class Compiling(NamedTuple):
    """Counts of what a process has compiled so far.

    Attributes:
      seconds: spent in XLA, or reading from disk.
      programs: number of programs.
      from_disk: number of those that were read from disk.
    """

    seconds: float = 0.0
    programs: int = 0
    from_disk: int = 0

    def since(self, before: "Compiling") -> dict[str, Any]:
        """Returns the differences to an earlier count, as run.json holds them."""
        seconds, programs, from_disk = (a - b for a, b in zip(self, before, strict=True))
        return {"seconds": round(seconds, 3), "programs": programs, "from_disk": from_disk}


_so_far = [Compiling()]


def compiling() -> Compiling:
    """Returns what this process has compiled so far."""
    return _so_far[0]


def _on_duration(event: str, duration_secs: float, **_: str | int) -> None:
    if event == _COMPILED:
        now = _so_far[0]
        _so_far[0] = now._replace(seconds=now.seconds + duration_secs, programs=now.programs + 1)


def _on_event(event: str, **_: str | int) -> None:
    if event == _READ:
        _so_far[0] = _so_far[0]._replace(from_disk=_so_far[0].from_disk + 1)


jax.monitoring.register_event_duration_secs_listener(_on_duration)
jax.monitoring.register_event_listener(_on_event)


def cache_directory() -> Path:
    """Returns the default folder of compiled programs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rf_limits" / "compiled"


def keep_compiled() -> None:
    """Makes JAX write what it compiles to disk: the same run in another process compiles nothing.

    In :func:`cache_directory`, the least recently used beyond 1 GiB thrown away; where
    ``JAX_COMPILATION_CACHE_DIR`` is set, as that and JAX's other options say. A default directory
    that cannot be written to is not used.

    Raises:
      RequirementError: the directory that is set cannot be written to, of which JAX would warn
        with every program.
    """
    named = os.environ.get(
        "JAX_COMPILATION_CACHE_DIR", jax.config.values["jax_compilation_cache_dir"]
    )
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
    """Keeps programs that compile in less than JAX's default of a second: most here do."""
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
