"""The kinds of CPU as which the sharpest numerical tests run, on one machine.

A result may differ in its last digits from one CPU to another: by XLA's instruction set (fused
multiply-add, width of vectors), by the kernels of OpenBLAS behind NumPy, SciPy and JAX's LAPACK
calls, by the number of threads that share a sum, and by the loops that NumPy chooses for exp, log,
arccos and powers. Four combinations cover the values of each.

    python -m tests.combinations              runs the tests marked sharp under all four
    python -m tests.combinations --only=avx2  runs them under one
    python -m tests.combinations -- -m "not slow and not slurm"    runs other tests so
    python -m tests.combinations --results    makes the quick results under all four and compares
                                              them with the committed ones
    python -m tests.combinations --results=3  does so for a quarter of them under each, by the
                                              number of the day: all pairs in four days

What follows ``--`` goes to pytest. The exit code is 1 if any of them failed.
``tests/test_combination.py`` asserts in each run that the combination is in force.
"""

import argparse
import dataclasses
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
VARIABLE = "RF_LIMITS_TEST_COMBINATION"
"""Environment variable that names the combination of a run."""

_EMITTERS = "--xla_cpu_use_fusion_emitters=false"
"""JAX 0.11 and later know no such flag, and a process that is given it dies."""


def flags_to_compile_quickly() -> list[str]:
    """XLA's flags in ``make test``: compiling is most of its time, and programs there are small."""
    major, minor = importlib.metadata.version("jaxlib").split(".")[:2]
    old = (int(major), int(minor)) < (0, 11)
    return ["--xla_backend_optimization_level=0", *([_EMITTERS] if old else [])]


_AVX512 = ("AVX512", "X86_V4", "AVX10")


class Dispatch(NamedTuple):
    """What NumPy chooses its loops by.

    Attributes:
      baseline: features that it was built with, which cannot be switched off.
      available: features that it has loops for and finds on this machine, switched off or not.
      on: those of them that are in force in this process.
    """

    baseline: tuple[str, ...]
    available: tuple[str, ...]
    on: tuple[str, ...]


def numpy_dispatch() -> Dispatch:
    """NumPy's own lists, as ``numpy.show_runtime`` prints them; names differ by version."""
    from numpy._core._multiarray_umath import (
        __cpu_baseline__,
        __cpu_dispatch__,
        __cpu_features__,
    )

    on = tuple(name for name in __cpu_dispatch__ if __cpu_features__[name])
    off = os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
    available = tuple(name for name in __cpu_dispatch__ if name in on or name in off)
    return Dispatch(tuple(__cpu_baseline__), available, on)


@dataclasses.dataclass(frozen=True)
class Combination:
    """One kind of CPU to run as.

    Attributes:
      name: short.
      xla_isa: largest instruction set that XLA may use, or None for the machine's best.
      optimized: whether XLA optimizes loops, as it does for users, or not, as in ``make test``.
      blas: core whose kernels OpenBLAS uses, or None for those it chooses.
      threads: number of cores that the run may use.
      numpy_without: parts of names of NumPy's dispatched features that are switched off; "" is
        part of every name.
    """

    name: str
    xla_isa: str | None
    optimized: bool
    blas: str | None
    threads: int
    numpy_without: tuple[str, ...]

    def numpy_off(self, features: tuple[str, ...]) -> tuple[str, ...]:
        """Those of NumPy's dispatched features that are switched off."""
        return tuple(f for f in features if any(part in f for part in self.numpy_without))

    def environment(self, cache: str) -> dict[str, str]:
        """Environment of a process that runs as this kind of CPU.

        Args:
          cache: directory for compiled programs, which belong to one kind of CPU.
        """
        flags = [] if self.optimized else flags_to_compile_quickly()
        if self.xla_isa is not None:
            flags.append(f"--xla_cpu_max_isa={self.xla_isa}")
        ours = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES", "XLA_FLAGS")
        environment = {k: v for k, v in os.environ.items() if k not in ours}
        if self.blas is not None:
            environment["OPENBLAS_CORETYPE"] = self.blas
        off = self.numpy_off(_available_to_a_new_process())
        if off:
            environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(off)
        return environment | {
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": " ".join(flags),
            "OPENBLAS_NUM_THREADS": str(self.threads),
            "JAX_COMPILATION_CACHE_DIR": cache,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            VARIABLE: self.name,
        }


COMBINATIONS = {
    one.name: one
    for one in (
        Combination("oldest", "SSE4_2", True, "Nehalem", 1, ("",)),
        Combination("avx2", "AVX2", False, "Haswell", 2, _AVX512),
        Combination("best", None, True, None, 1, ()),
        Combination("mixed", None, False, "Sandybridge", 2, ("",)),
    )
}


def in_force() -> Combination | None:
    """The combination that this process was started as, if any."""
    name = os.environ.get(VARIABLE)
    return None if name is None else COMBINATIONS[name]


def _available_to_a_new_process() -> tuple[str, ...]:
    """NumPy's dispatched features on this machine, with none switched off."""
    code = "from tests.combinations import numpy_dispatch; print(*numpy_dispatch().on)"
    clean = {k: v for k, v in os.environ.items() if k != "NPY_DISABLE_CPU_FEATURES"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean, text=True, stdout=subprocess.PIPE
    )
    done.check_returncode()
    return tuple(done.stdout.split())


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


class Run:
    """A command that runs as one kind of CPU, under way from the start of this object."""

    def __init__(self, combination: Combination, command: list[str], cores: list[int]):
        """Starts the command.

        Args:
          combination: as which kind of CPU.
          command: what follows ``python``; ``{folder}`` stands for a directory of its own, and
            ``{workers}`` for the number of processes of pytest that the cores allow.
          cores: which it may use.
        """
        self.combination, self.begin = combination, time.monotonic()
        self.folder = tempfile.TemporaryDirectory(prefix=f"rf_limits_{combination.name}_")
        self.output = pathlib.Path(self.folder.name) / "output.txt"
        workers = len(cores) if len(cores) > 1 else 0
        words = [word.format(folder=self.folder.name, workers=workers) for word in command]
        with open(self.output, "w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=combination.environment(self.folder.name),
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )

    def wait(self) -> bool:
        """Waits for the end, prints what the command printed, and returns whether it passed."""
        code = self.process.wait()
        one, seconds = self.combination, time.monotonic() - self.begin
        print(f"== {one.name}: {one}", self.output.read_text(), sep="\n")
        print(f"== {one.name}: exit code {code}, {seconds:.0f} s", flush=True)
        self.folder.cleanup()
        return code == 0


def run_all(commands: dict[str, list[str]]) -> bool:
    """Runs a command as each kind of CPU; those of one thread side by side, one on each core.

    Args:
      commands: by name of the combination.

    Returns:
      Whether all passed.
    """
    cores, passed = _cores(), []
    single = [name for name in commands if COMBINATIONS[name].threads == 1]
    while single:
        together = [single.pop(0) for _ in range(min(len(single), len(cores)))]
        runs = [
            Run(COMBINATIONS[name], commands[name], [core])
            for name, core in zip(together, cores, strict=False)
        ]
        passed += [run.wait() for run in runs]
    for name, command in commands.items():
        if COMBINATIONS[name].threads > 1:
            passed.append(Run(COMBINATIONS[name], command, cores[:2]).wait())
    return all(passed)


def results_share(day: int | None) -> dict[str, list[str]]:
    """Names of quick results to make under each combination: all, or a quarter by the day."""
    from rf_limits.runs.recipes import RECIPES

    names, kinds = [one.name for one in RECIPES], list(COMBINATIONS)
    if day is None:
        return dict.fromkeys(kinds, names)
    quarter = len(kinds)
    return {kind: names[(day + i) % quarter :: quarter] for i, kind in enumerate(kinds)}


def main() -> int:
    """Runs what the command line asks for.

    Returns:
      Exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=COMBINATIONS, action="append", help="these alone")
    parser.add_argument(
        "--results", type=int, nargs="?", const=-1, metavar="DAY", help="make quick results"
    )
    parser.add_argument("arguments", nargs="*", help="of pytest; default: -m 'sharp and not slow'")
    given = parser.parse_args()
    kinds = given.only or list(COMBINATIONS)
    if given.results is not None:
        share = results_share(given.results if given.results >= 0 else None)
        script = ["-m", "tests.reproduced_quickly", "{folder}/quick"]
        commands = {kind: [*script, *share[kind]] for kind in kinds}
    else:
        pytest = ["-m", "pytest", "-n", "{workers}", "--dist", "loadfile"]
        command = [*pytest, *(given.arguments or ["-m", "sharp and not slow"])]
        commands = dict.fromkeys(kinds, command)
    return int(not run_all(commands))


if __name__ == "__main__":
    sys.exit(main())
