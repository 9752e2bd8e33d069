"""Joining several processes, started by the same command, into one run.

After :func:`connect` the devices of all processes are one list, and a mesh spans them. A process
that dies takes the others with it: JAX's coordination service (in process 0) tells them, after
:data:`HEARTBEAT` seconds at most.
"""

import contextlib
import math
import os
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax

from rf_limits.devices.processes import is_alone
from rf_limits.errors import USAGE_ERROR, RequirementError, check, refusal

HEARTBEAT = 100
"""Seconds without a sign of life after which a process counts as dead."""
CONNECT_TIMEOUT = 60
"""Seconds that processes wait for each other at the start."""
_LONGER = 30
LOST = 75
"""Exit code where another process is gone (EX_TEMPFAIL): the same commands go on."""
_GONE = ("gloo", "coordination", "another task", "connection", "heartbeat", "nccl", "unavailable")


class Address(NamedTuple):
    """The address at which processes meet, and the number of this one; all None on a cluster.

    Attributes:
      coordinator: host and port of process 0, ``"host:port"``.
      num_processes: how many there are.
      process_id: which this is, from 0.
    """

    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


def check_address(address: Address) -> None:
    """Refuses an address that is incomplete or impossible.

    Raises:
      RequirementError: naming the flag.
    """
    if address == Address():
        return
    coordinator, num_processes, process_id = address
    if coordinator is None or num_processes is None or process_id is None:
        missing = [f"--{name}" for name, value in address._asdict().items() if value is None]
        whole = "come with all of --coordinator, --num_processes and --process_id, or with none"
        raise refusal("--distributed", f"{whole} of them", f"none for {', '.join(missing)}")
    host, _, port = coordinator.rpartition(":")
    good = bool(host) and port.isdecimal() and 0 < int(port) < 65536
    check(good, "--coordinator", "be host:port", coordinator)
    check(num_processes >= 1, "--num_processes", "be at least 1", num_processes)
    inside = 0 <= process_id < num_processes
    check(inside, "--process_id", f"be from 0 to {num_processes - 1}", process_id)


def connect(address: Address, sizes: Mapping[str, int], timeout: int = CONNECT_TIMEOUT) -> None:
    """Waits for the other processes; to be called before any device is touched.

    Args:
      address: where they meet; all None: the address that Slurm or another cluster puts into the
        environment.
      sizes: ``config.mesh``, over which the run is to be spread.
      timeout: seconds to wait for the others.

    Raises:
      RequirementError: nothing to spread, or no connection.
    """
    spread = math.prod(sizes.values()) > 1
    check(spread, "mesh", "have more than one device with --distributed", dict(sizes))
    check_address(address)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_preemption_service", False)  # signals are ours
    requirement = f"find the other processes within {timeout} s (--connect_timeout)"

    def give_up() -> None:
        where = address.coordinator or "the address of the cluster"
        line = f"--distributed must {requirement}, but received no answer at {where}."
        print(f"{Path(sys.argv[0]).name}: {line}", file=sys.stderr, flush=True)
        os._exit(USAGE_ERROR)

    # JAX would abort with a stack trace where nobody answers: the timer is faster.
    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            *address,
            initialization_timeout=timeout + _LONGER,
            heartbeat_timeout_seconds=HEARTBEAT,
        )
    except (RuntimeError, ValueError) as error:
        if address == Address():
            requirement = (
                "find Slurm or another cluster in the environment, or come with --coordinator, "
                "--num_processes and --process_id"
            )
        raise RequirementError(
            f"--distributed must {requirement}, but received: {_first_line(error)}"
        ) from error
    finally:
        timer.cancel()


@contextlib.contextmanager
def leaving_together() -> Iterator[None]:
    """Ends this process at once where it fails among several, so that no other waits for it.

    Refusals, which all processes share, and a stop that all agreed on are raised as usual.
    """
    try:
        yield
    except (RequirementError, KeyboardInterrupt):
        raise
    except Exception as error:
        if is_alone():
            raise
        which = f"process {jax.process_index()} of {jax.process_count()}"
        lost = type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError") and any(
            word in str(error).lower() for word in _GONE
        )
        if lost:
            line = f"another process is gone; the same commands go on ({_first_line(error)})"
        else:
            traceback.print_exc()
            line = f"{type(error).__name__}: {error} The other processes end too."
        print(f"{which}: {line}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(LOST if lost else 1)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
