"""The flags and the body shared by scripts that run a config in a work directory."""

import sys

from absl import flags
from rich.console import Console

from rf_limits.config import Config, frozen
from rf_limits.config.flags import ConfigFlag
from rf_limits.devices.connect import CONNECT_TIMEOUT, Address, connect, leaving_together
from rf_limits.errors import check
from rf_limits.runs.cli import run_script
from rf_limits.runs.dry_run import dry_run
from rf_limits.runs.events import JsonLines, Tell, to_all
from rf_limits.runs.run import SAVE_EVERY
from rf_limits.runs.session import run_in_workdir
from rf_limits.runs.tensorboard import TensorBoard
from rf_limits.studies import EXPERIMENTS

LOGS = ("text", "json")
PLATFORMS = ("cpu", "gpu", "tpu")
_WITH = "be given with --distributed only"


def _check_experiment(name: str, script: str) -> None:
    """Refuses a config of another script, which is named."""
    names = sorted(key for key, kind in EXPERIMENTS.items() if kind.script == script)
    other = EXPERIMENTS[name].script if name in EXPERIMENTS else ""
    hint = f" (scripts/{other}.py runs it)" if other not in ("", script) else ""
    requirement = f"be one of {', '.join(names)}{hint}"
    check(name in names, "experiment of this script", requirement, name)


def _mesh(config: Config) -> dict[str, int]:
    """Returns devices along each axis of the mesh; nothing where the experiment has no mesh."""
    return vars(config.mesh) if hasattr(config, "mesh") else {}


def run_config_script(script: str) -> None:
    """Defines the flags of a run (--config, --workdir, ...), runs the config and exits.

    Args:
      script: runs the experiments that name it as their ``script``.
    """
    config = ConfigFlag()
    workdir = flags.DEFINE_string("workdir", None, "Directory for results; made if absent.")
    overwrite = flags.DEFINE_bool("overwrite", False, "Replace the results in workdir.")
    platform = flags.DEFINE_enum("platform", None, PLATFORMS, "Device; default: best.")
    dry = flags.DEFINE_bool("dry_run", False, "Say what the run would be and take; write nothing.")
    timed = flags.DEFINE_bool("timed", True, "With --dry_run: measure how long it would take.")
    log = flags.DEFINE_enum("log", "text", LOGS, "What goes to standard output.")
    board = flags.DEFINE_bool("tensorboard", False, "Write event files to workdir/tensorboard.")
    save_every = flags.DEFINE_float("save_every", SAVE_EVERY, "Seconds between saved states.", 0.0)
    timeout = "Seconds to wait for the other processes."
    distributed = flags.DEFINE_bool("distributed", False, "One run in several processes.")
    coordinator = flags.DEFINE_string("coordinator", None, "host:port of process 0.")
    num_processes = flags.DEFINE_integer("num_processes", None, "How many processes.")
    process_id = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")
    wait = flags.DEFINE_integer("connect_timeout", CONNECT_TIMEOUT, timeout, 1)
    flags.mark_flags_as_required(["config", "workdir"])

    def main() -> int:
        chosen = config.value
        assert chosen is not None  # the flag is required
        _check_experiment(chosen.experiment, script)
        address = Address(coordinator.value, num_processes.value, process_id.value)
        if distributed.value:
            connect(address, _mesh(frozen(chosen)), wait.value)
        else:
            absent = all(value is None for value in address)
            check(absent, "--coordinator, --num_processes and --process_id", _WITH, tuple(address))
        assert workdir.value is not None  # the flag is required
        arguments = (chosen, workdir.value, overwrite.value, platform.value)
        listeners: list[Tell] = []
        if board.value:
            listeners.append(TensorBoard(workdir.value))
        if dry.value:
            check(log.value == "text", "--log", "be text with --dry_run", log.value)
            return dry_run(*arguments, timed=timed.value)
        console = Console(quiet=True) if log.value == "json" else None
        if log.value == "json":
            listeners.append(JsonLines(sys.stdout))
        with leaving_together():
            tell = to_all(*listeners)
            return run_in_workdir(*arguments, console, save_every=save_every.value, tell=tell)

    run_script(main, config=config)
