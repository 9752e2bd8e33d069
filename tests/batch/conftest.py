"""A Slurm for the tests marked `slurm`: the one that SLURM_CONF names, or one of their own."""

import os
import shutil
import subprocess
import tempfile

import pytest

from tests.batch.cluster import ROOT, Slurm

_DAEMONS = ("munged", "slurmctld", "slurmd")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])


def _partitions() -> frozenset[str]:
    """Names of the partitions of the Slurm that answers, if any does."""
    try:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%R"], capture_output=True, text=True, timeout=20
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(done.stdout.split()) if done.returncode == 0 else frozenset()


@pytest.fixture(scope="session")
def slurm():
    """A running Slurm, started for the session if need be (never installed by it)."""
    if os.environ.get("SLURM_CONF"):
        partitions = _partitions()
        if not partitions:
            pytest.fail(f"no Slurm answers to SLURM_CONF={os.environ['SLURM_CONF']}")
        yield Slurm(partitions)
        return
    if not all(shutil.which(name, path=_PATH) for name in _DAEMONS):
        pytest.skip("no Slurm: SLURM_CONF is not set, slurm-wlm and munge are not installed")
    if os.geteuid() != 0:
        pytest.skip('no Slurm: SLURM_CONF is not set; eval "$(sudo .ci/slurm start)" sets it')
    # A directory of its own: not the one a person, or another worker of pytest, started.
    base = tempfile.mkdtemp(prefix="rf_limits_slurm_")
    script, environment = str(ROOT / ".ci" / "slurm"), {**os.environ, "RF_LIMITS_SLURM": base}
    started = subprocess.run([script, "start"], env=environment, capture_output=True, text=True)
    try:
        assert started.returncode == 0, started.stderr
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", started.stdout.strip().removeprefix("export SLURM_CONF="))
            yield Slurm(_partitions())
    finally:
        subprocess.run([script, "stop"], env=environment, check=True)
        shutil.rmtree(base)
