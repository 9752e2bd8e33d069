"""The command that certifies networks in files, and its page."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from rf_limits.certifying.files import Arrays, read_arrays
from rf_limits.certifying.layer_files import array_of, layer_arrays
from rf_limits.certifying.run_verdicts import run_verdicts
from rf_limits.config import frozen
from rf_limits.config.files import ConfigFile
from rf_limits.errors import check
from rf_limits.problem import Problem, SingleNeuron, Teacher, make_problem
from rf_limits.problem.target import Target
from rf_limits.report.page import check_output, fill, write_page
from rf_limits.report.pictures import Picture, picture
from rf_limits.runs.console import print_table, say
from rf_limits.table import Table
from rf_limits.verdicts.certify import certify
from rf_limits.verdicts.verdict import Verdict

TARGETS = ("single_neuron", "teacher")
_MOST_PICTURES = 12
_COLUMNS = 160
"""Of the output at least: the last column of the table is a sentence."""


class FileRequest(NamedTuple):
    """What the command line says of a network in a file.

    Attributes:
      weights, initial: files of the trained and the initial network.
      names: of W, u and b in them.
      layout: of W, or None.
      target: one of :data:`TARGETS`, or None with a config.
      config: config file whose section ``problem`` draws the target, or None.
      direction, bias: name of the array w*, and b*, of a single neuron.
      dim: d, or None.
      inputs, noise, num_train: of training.
      activation, prefactor: of the network.
    """

    weights: str
    initial: str | None
    names: Sequence[str]
    layout: str | None
    target: str | None
    config: str | None
    direction: str
    bias: float
    dim: int | None
    inputs: str
    noise: float
    num_train: int | None
    activation: str
    prefactor: str


class Answer(NamedTuple):
    """What is printed, and shown on the page."""

    title: str
    about: str
    table: Table
    sentences: list[str]
    pictures: list[Picture]


def _problem(request: FileRequest, arrays: Arrays) -> tuple[Problem, list[str]]:
    """Returns the problem, and the names of the arrays of the file that describe it."""
    one = (request.target is None) != (request.config is None)
    check(one, "--target", "be given, or --config instead of it", request.target)
    if request.config is not None:
        config = frozen(ConfigFile.parse(request.config).load())
        section = getattr(config, "problem", None)
        check(section is not None, "--config", "have a section problem", request.config)
        return make_problem(**vars(section)), []
    target, names = _target(request, arrays)
    return Problem(target, request.inputs, request.noise), names


def _target(request: FileRequest, arrays: Arrays) -> tuple[Target, list[str]]:
    if request.target == "single_neuron":
        direction = array_of(arrays, request.direction, "--direction").astype(float).ravel()
        norm = float(np.linalg.norm(direction))
        return SingleNeuron.create(direction, norm, request.bias), [request.direction]
    names = ["directions", "coefficients", "biases"]
    directions, coefficients = (array_of(arrays, name, "--weights") for name in names[:2])
    biases = arrays.get("biases", np.zeros(len(directions)))
    return Teacher(directions, biases, coefficients), names


def certify_file(request: FileRequest) -> Answer:
    """Certifies the network of a file.

    Raises:
      RequirementError: a file, a target or a setting that cannot be used.
    """
    arrays = read_arrays(request.weights)
    problem, described = _problem(request, arrays)
    dim = request.dim
    check(dim is None or dim == problem.dim, "--dim", f"be {problem.dim} as the target's", dim)
    layer = partial(layer_arrays, names=request.names, layout=request.layout, others=described)
    weights = layer(arrays)
    initial = None
    if request.initial is not None:
        start = read_arrays(request.initial, "--initial")
        initial = layer(start, flag="--initial").weights
    verdict = certify(
        weights.weights,
        problem.target,
        initial=initial,
        inputs=problem.inputs,
        num_train=request.num_train,
        noise=float(problem.noise),
        activation=request.activation,
        layout=weights.layout,
        prefactor=_number(request.prefactor),
    )
    assert isinstance(verdict, Verdict)  # of one network
    name = Path(request.weights).name
    pictures = [picture("verdict", verdict.figure(), "Risk beside limits")]
    about = f"A network of {len(weights.weights[1].ravel())} neurons in {problem.dim} dimensions."
    return Answer(name, about, verdict.table(), verdict.sentences(), pictures)


def _number(prefactor: str) -> str | float:
    """Returns a number where the text is one."""
    try:
        return float(prefactor)
    except ValueError:
        return prefactor


def certify_run(workdir: str, max_seconds: float) -> Answer:
    """Certifies every network of a finished training run.

    Raises:
      RequirementError: no finished training run, or one that takes longer to train again.
    """
    run = run_verdicts(workdir, max_seconds)
    pictures = [
        picture(f"verdict-{i}", entry.verdict.figure(), entry.name)
        for i, entry in enumerate(run.networks[:_MOST_PICTURES])
    ]
    about = f"{len(run.networks)} networks of a training run; the first are drawn."
    return Answer(run.name, about, run.table(), run.sentences(), pictures)


def answer_command(
    request: FileRequest | None,
    workdir: str | None,
    max_seconds: float,
    output: str | None,
    *,
    overwrite: bool,
) -> None:
    """Prints the verdict and writes its page.

    Raises:
      RequirementError: a request that cannot be carried out; nothing is written.
    """
    path = None if output is None else Path(output)
    if path is not None:
        check_output(path, overwrite=overwrite)
    if request is not None:
        answer = certify_file(request)
    else:
        assert workdir is not None  # the script checks it
        answer = certify_run(workdir, max_seconds)
    console = Console(width=max(Console().width, _COLUMNS))
    print_table(console, answer.table)
    for line in answer.sentences:
        say(console, line)
    if path is not None:
        values = answer._asdict()
        shown, title = values.pop("table"), values.pop("title")
        text = fill("verdict.html", title, shown=shown, **values)
        write_page(path, text, overwrite=overwrite)
        say(console, f"Page: {path}")
