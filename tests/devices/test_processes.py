"""Two processes on one machine carry out one run: one writes, both stop, refuse and end together.

Each is given a directory of its own: that of the process which does not write must never appear.
"""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from rf_limits.devices import processes
from rf_limits.devices.connect import LOST, Address, check_address, connect
from rf_limits.errors import RequirementError
from rf_limits.runs.store import RunStore
from tests.devices.meshes import environment
from tests.devices.test_sharding import carried_out, read
from tests.runs.disturbed import wait_for

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 240.0


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def started(folder, *more, ids=(0, 1)):
    """The processes, and where they write what they print."""
    address = f"127.0.0.1:{free_port()}"
    found = []
    for i in ids:
        command = [sys.executable, "scripts/train.py", "--config=tests/devices/two.py"]
        command += [f"--workdir={folder / f'run{i}'}", "--save_every=0", "--distributed"]
        command += [f"--coordinator={address}", "--num_processes=2", f"--process_id={i}", *more]
        env = {**environment(4), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        with (folder / f"log{i}.txt").open("a") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT
            )
        found.append(process)
    return found


def ended(folder, running):
    """The exit codes, and what each printed."""
    try:
        codes = [process.wait(PATIENCE) for process in running]
    finally:
        for process in running:
            process.kill()
    return codes, [(folder / f"log{i}.txt").read_text() for i in range(len(running))]


def state_saved(folder):
    return any((folder / "run0" / "states").glob("*.state"))


def test_stopped_resumed_and_written_once(tmp_path):
    running = started(tmp_path)
    assert wait_for(lambda: state_saved(tmp_path), PATIENCE), (tmp_path / "log0.txt").read_text()
    running[1].send_signal(signal.SIGTERM)  # not the one that writes
    codes, texts = ended(tmp_path, running)
    assert codes == [128 + signal.SIGTERM] * 2, texts
    assert "goes on from what is saved" in texts[0]
    store = RunStore(tmp_path / "run0")
    assert store.read_json("run.json")["status"] == "interrupted"
    assert state_saved(tmp_path)

    codes, texts = ended(tmp_path, started(tmp_path))
    assert codes == [0, 0], texts
    assert "Results in" in texts[0]
    assert "Results in" not in texts[1]
    assert not (tmp_path / "run1").exists()
    names = {path.name for path in store.path.iterdir()}
    assert names == {"config.json", "run.json", "metrics.parquet", "summary.json", "figures"}
    facts = json.loads((store.path / "run.json").read_text())
    assert facts["status"] == "complete"
    assert facts["device"]["count"] == 8
    assert facts["device"]["processes"] == 2
    assert facts["device"]["mesh"] == {"seeds": 2, "data": 2, "width": 2}

    # The same program on the same mesh in one process. Sums of two terms are the same in any order,
    # but how many devices add up at once is up to the collectives, which are others.
    name = "minibatches:2x2x2"
    one = read(carried_out(tmp_path, [name]), name)
    columns = [column for column in one if store.read_metrics()[column].notna().any()]
    pd.testing.assert_frame_equal(store.read_metrics()[columns], one[columns], rtol=1e-12)


@pytest.mark.slow
def test_refused_alike(tmp_path):
    (tmp_path / "run0").mkdir()
    (tmp_path / "run0" / "other.txt").write_text("not a run")
    codes, texts = ended(tmp_path, started(tmp_path))
    assert codes == [2, 2], texts
    for text in texts:
        assert "--workdir must be empty or hold a run" in text
        assert "Traceback" not in text
    codes, texts = ended(tmp_path, started(tmp_path, "--overwrite", "--config.mesh.width=1"))
    assert codes == [2, 2], texts
    assert all("mesh must need all 8 devices of the processes" in text for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("dies", [0, 1])
def test_a_process_that_dies_takes_the_other_with_it(tmp_path, dies):
    running = started(tmp_path)
    assert wait_for(lambda: state_saved(tmp_path), PATIENCE)
    running[dies].kill()
    begin = time.monotonic()
    codes, texts = ended(tmp_path, running)
    assert time.monotonic() - begin < 60.0
    assert codes[dies] == -signal.SIGKILL
    assert codes[1 - dies] in (LOST, -signal.SIGABRT)
    assert "another process is gone" in texts[1 - dies] or "another task died" in texts[1 - dies]
    codes, texts = ended(tmp_path, started(tmp_path))
    assert codes == [0, 0], texts


def test_nobody_there(tmp_path):
    codes, texts = ended(tmp_path, started(tmp_path, "--connect_timeout=1", ids=(0,)))
    assert codes == [2], texts
    last = texts[0].strip().splitlines()[-1]
    assert "--distributed must find the other processes within 1 s" in last


JOIN = """
import jax
from rf_limits.devices.connect import Address, connect
from rf_limits.devices.processes import agree, largest
connect(Address(), {"seeds": 4}, 60)
print("joined", jax.process_count(), jax.device_count(), agree(jax.process_index() + 5),
      largest(jax.process_index()))
"""


def test_slurm_says_where_they_meet():
    """The environment that srun gives its tasks, without srun."""
    job = str(free_port())  # the port follows from it
    running = []
    for i in (0, 1):
        slurm = {"SLURM_JOB_ID": job, "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
        slurm |= {"SLURM_PROCID": str(i), "SLURM_LOCALID": str(i), "SLURM_STEP_NUM_NODES": "1"}
        env = {**environment(2), **slurm, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", JOIN]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True))
    for process in running:
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        assert "joined 2 4 5 1" in out


def test_no_cluster():
    env = {name: value for name, value in environment().items() if not name.startswith("SLURM")}
    done = subprocess.run(
        [sys.executable, "-c", JOIN], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "--distributed must find Slurm or another cluster in the environment" in last


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (Address("host:1"), r"none for --num_processes, --process_id"),
        (Address(None, 2, 1), r"--distributed must come with all of .*none for --coordinator"),
        (Address("host", 2, 1), r"--coordinator must be host:port, but received 'host'"),
        (Address("host:99999", 2, 1), r"--coordinator must be host:port"),
        (Address("host:1", 0, 0), r"--num_processes must be at least 1, but received 0"),
        (Address("host:1", 2, 2), r"--process_id must be from 0 to 1, but received 2"),
    ],
)
def test_half_given_addresses(address, message):
    with pytest.raises(RequirementError, match=message):
        check_address(address)


def test_nothing_to_distribute():
    with pytest.raises(RequirementError, match="mesh must have more than one device with"):
        connect(Address(), {"seeds": 1, "data": 1, "width": 1})
    with pytest.raises(RequirementError, match="mesh must have more than one device with"):
        connect(Address(), {})


def test_alone_nothing_is_asked_of_others():
    assert processes.is_alone()
    assert processes.is_writer()
    assert processes.agree(3) == processes.largest(3) == 3
    assert processes.writer_first(lambda: "found") == "found"
    tree = {"a": np.arange(3), "b": np.ones((2, 2))}
    assert processes.agree_arrays(tree)["b"].tolist() == [[1.0, 1.0], [1.0, 1.0]]
