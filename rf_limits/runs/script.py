"""The flags and the body shared by scripts that run a config in a work directory."""

import sys

from absl import flags
from ml_collections import config_flags

from rf_limits.devices.connect import CONNECT_TIMEOUT, Address, connect, leaving_together
from rf_limits.errors import check, check_choice
from rf_limits.runs.cli import answering, run_script
from rf_limits.runs.run import SAVE_EVERY
from rf_limits.runs.session import run_in_workdir

_WITH = "be given with --distributed only"


def run_config_script(*experiments: str) -> None:
    """Defines the flags of a run (--config, --workdir, ...), runs the config and exits.

    Args:
      experiments: values of ``config.experiment`` the script is for.
    """
    with answering(sys.argv):
        config = config_flags.DEFINE_config_file("config", None, "Config file.", lock_config=True)
    workdir = flags.DEFINE_string("workdir", None, "Directory for results; made if absent.")
    overwrite = flags.DEFINE_bool("overwrite", False, "Replace the results in workdir.")
    platforms = ["cpu", "gpu", "tpu"]
    platform = flags.DEFINE_enum("platform", None, platforms, "Device; default: best.")
    save_every = flags.DEFINE_float("save_every", SAVE_EVERY, "Seconds between saved states.", 0.0)
    timeout = "Seconds to wait for the other processes."
    distributed = flags.DEFINE_bool("distributed", False, "One run in several processes.")
    coordinator = flags.DEFINE_string("coordinator", None, "host:port of process 0.")
    num_processes = flags.DEFINE_integer("num_processes", None, "How many processes.")
    process_id = flags.DEFINE_integer("process_id", None, "Which of them this is, from 0.")
    wait = flags.DEFINE_integer("connect_timeout", CONNECT_TIMEOUT, timeout, 1)
    flags.mark_flags_as_required(["config", "workdir"])

    def main() -> int:
        check_choice(config.value.experiment, experiments, "experiment of this script")
        address = Address(coordinator.value, num_processes.value, process_id.value)
        if distributed.value:
            connect(address, dict(config.value.get("mesh", {})), wait.value)
        else:
            given = any(value is not None for value in address)
            check(
                not given, "--coordinator, --num_processes and --process_id", _WITH, tuple(address)
            )
        with leaving_together():
            return run_in_workdir(
                config.value,
                workdir.value,
                overwrite.value,
                platform.value,
                save_every=save_every.value,
            )

    run_script(main)
