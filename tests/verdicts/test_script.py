"""scripts/certify.py: what it prints and writes, and what it refuses in a line with exit code 2."""

import numpy as np
import pytest

from rf_limits import certify, train
from rf_limits.certifying.run_verdicts import run_verdicts
from rf_limits.problem import SingleNeuron
from tests.in_process import run

DIM, WIDTH = 5, 8
CONFIG = """
from rf_limits import default_config
def get_config():
    c = default_config()
    c.problem.dim, c.seeds = 4, 1
    c.data.num_train, c.data.num_test = 20, 20
    c.model.widths, c.model.lazy_scales, c.model.centring = (4,), (2.0,), "subtract"
    c.training.steps, c.training.log_points = 20, 2
    c.predictors.methods, c.measure.max_degree = ("network",), -1
    c.precision = "float64"
    return c
"""


@pytest.fixture
def files(tmp_path):
    """Writes a network that has learned a neuron, and what it was before."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((WIDTH, DIM)) / DIM**0.5
    u, direction = rng.standard_normal(WIDTH) / WIDTH**0.5, rng.standard_normal(DIM)
    np.savez(tmp_path / "start.npz", W=w, u=u)
    w, u = np.vstack([direction, w[1:]]), np.append(1.0, 0.02 * u[1:])
    np.savez(tmp_path / "net.npz", W=w, u=u, direction=direction)
    return tmp_path


def test_the_command_says_what_the_function_does(files):
    page = files / "verdict.html"
    arguments = (f"--weights={files}/net.npz", "--target=single_neuron", "--num_train=64")
    answer = run(
        "certify", *arguments, f"--initial={files}/start.npz", "--dim=5", f"--output={page}"
    )
    assert (answer.code, answer.err) == (0, "")
    net, start = np.load(files / "net.npz"), np.load(files / "start.npz")
    norm = float(np.linalg.norm(net["direction"]))
    target = SingleNeuron.create(net["direction"], norm, 0.0)
    initial = (start["W"], start["u"])
    verdict = certify((net["W"], net["u"]), target, initial=initial, num_train=64)
    for line in verdict.sentences():
        assert line in answer.out
    text = page.read_text()
    assert all(str(row[1]) in answer.out for row in verdict.table().rows)
    assert "<svg" in text
    assert "no linear combination of this network" in text
    again = run("certify", *arguments, f"--output={page}")
    assert again.code == 2
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "--weights must be given"),
        (("--weights={}/net.npz",), "--target must be given"),
        (("--weights={}/none.npz", "--target=teacher"), "--weights must be a file"),
        (("--weights={}/net.npz", "--target=teacher"), "must name an array of the file"),
        (("--weights={}/net.npz", "--target=single_neuron", "--dim=6"), "--dim must be 5"),
        (("--weights={}/net.npz", "--target=single_neuron", "--names=W,v"), "--names must be"),
        (("--weights={}/net.npz", "--target=single_neuron", "--layout=flax"), "W must have shape"),
        (("--workdir={}",), "--workdir must name directories of runs"),
    ],
)
def test_bad_input_is_answered_in_a_line(files, arguments, line):
    page = files / "page.html"
    answer = run("certify", *(word.format(files) for word in arguments), f"--output={page}")
    assert answer.code == 2
    assert line in answer.err
    assert answer.err.count("\n") == 1
    assert not page.exists()


def test_a_centred_run_is_certified_from_its_work_directory(tmp_path):
    config, workdir = tmp_path / "config.py", tmp_path / "run"
    config.write_text(CONFIG)
    assert run("train", f"--config={config}", f"--workdir={workdir}").code == 0
    run_of = run_verdicts(str(workdir), 600.0)
    (entry,) = run_of.networks
    scope = {}
    exec(CONFIG, scope)
    rows = train(scope["get_config"]()).metrics
    measured = rows[rows["method"] == "network"].iloc[-1]["risk"]
    assert entry.verdict.risk.value == pytest.approx(measured, rel=1e-9)
    answer = run("certify", f"--workdir={workdir}", "--max_seconds=0")
    assert answer.code == 2
    assert "--max_seconds must be at least" in answer.err
