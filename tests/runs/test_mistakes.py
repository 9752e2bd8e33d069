"""Hundreds of mistakes at the command line: one line, exit code 2, at once, nothing touched.

The scripts run in this process (:mod:`tests.in_process`); by default an example of every kind of
mistake (:func:`tests.runs.mistakes.examples`), among the slow tests thousands. A few of the same
mistakes run in processes of their own, to the same answers.
"""

import os
import random
import resource
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rf_limits.runs import session
from rf_limits.runs.compiled import compiling
from rf_limits.sweeps import launch
from tests import in_process
from tests.runs.mistakes import examples, field_mistakes, with_config
from tests.runs.more_mistakes import FILES, more_mistakes
from tests.variants import kept

SECONDS = 5.0
HARMLESS = ("--save_every=10", "--config.seeds=2", "--noextend")
"""Arguments that are right, put before or after a mistake; the last for launch alone."""


def _began(*_, **__):
    raise AssertionError("work began")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files to be mistaken about."""
    path = tmp_path_factory.mktemp("mistakes")
    for name, text in FILES.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module", autouse=True)
def _no_work():
    """Work that begins is an error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "carry_out", _began)
        for executor in (launch.InlineExecutor, launch.LocalExecutor, launch.SlurmExecutor):
            patch.setattr(executor, "run", _began)
        yield


def _filled(mistake, folder):
    names = {"configs": in_process.ROOT / "configs", "files": folder, "new": folder / "new" / "run"}

    def fill(text):
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    return mistake._replace(arguments=tuple(fill(text) for text in mistake.arguments))


def _tree(folder):
    return {path: path.lstat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


def _check_line(mistake, code, err):
    assert code == 2, (mistake, code, err)
    lines = err.strip().splitlines()
    assert len(lines) == 1, (mistake, err)
    assert lines[0].startswith(f"{mistake.script}.py: "), (mistake, err)
    assert len(lines[0]) < 600, (mistake, err)
    missing = [text for text in mistake.named if text.lower() not in lines[0].lower()]
    assert not missing, (mistake, missing, lines[0])


def _refused(mistake, folder):
    """Checks everything about the answer to a mistake."""
    mistake = _filled(mistake, folder)
    before, programs, started = _tree(folder), compiling().programs, time.process_time()
    answer = in_process.run(mistake.script, *mistake.arguments)
    assert time.process_time() - started < SECONDS, mistake
    assert compiling().programs == programs, mistake
    assert answer.out == "", (mistake, answer.out)
    _check_line(mistake, answer.code, answer.err)
    assert _tree(folder) == before, mistake


def _varied(mistake, harmless, single_dash, before):
    """A mistake, with harmless arguments around it and one of the ways to write a flag."""
    first, workdir, *rest = mistake.arguments
    if any(text.startswith("--config.seeds") for text in rest):
        harmless = [text for text in harmless if "seeds" not in text]
    first = first.removeprefix("-") if single_dash else first
    rest = [*harmless, *rest] if before else [*rest, *harmless]
    return mistake._replace(arguments=(first, workdir, *rest))


def _kinds(mistakes):
    return {kind for mistake in mistakes for kind in mistake.kinds}


def test_an_example_of_every_kind(folder):
    """Every script, type of field, field, and way to get a name or a value wrong."""
    tried, draw = examples(field_mistakes()), random.Random(1)
    assert _kinds(tried) == _kinds(field_mistakes())
    assert {mistake.script for mistake in tried} == {m.script for m in field_mistakes()}
    assert 250 < len(tried) < 500
    for mistake in tried:
        harmless = draw.sample(HARMLESS[:2], draw.randint(0, 2))
        _refused(_varied(mistake, harmless, draw.random() < 0.5, draw.random() < 0.5), folder)


@pytest.mark.slow
def test_a_thousand_mistakes(folder):
    """Wrong names and values of fields: drawn from several thousand, the same every time."""
    tried, of_scripts = set(), {}
    for mistake in field_mistakes():
        of_scripts.setdefault(mistake.script, []).append(mistake)
    drawn = st.sampled_from(sorted(of_scripts)).flatmap(
        lambda name: st.sampled_from(of_scripts[name])
    )
    harmless = st.lists(st.sampled_from(HARMLESS[:2]), unique=True, max_size=2)

    @settings(max_examples=1250, deadline=None)
    @given(st.builds(_varied, drawn, harmless, st.booleans(), st.booleans()))
    def refused(mistake):
        _refused(mistake, folder)
        tried.add((mistake.script, mistake.arguments))

    refused()
    assert len(tried) >= 1000
    assert {script for script, _ in tried} == set(of_scripts)


def test_an_example_of_every_other_kind(folder):
    """Each with one script at least, and with every script some."""
    tried = examples(more_mistakes())
    assert _kinds(tried) == _kinds(more_mistakes())
    for mistake in tried:
        _refused(mistake, folder)


@pytest.mark.slow
def test_other_mistakes(folder):
    assert len(more_mistakes()) > 450
    for mistake in more_mistakes():
        _refused(mistake, folder)


@pytest.mark.slow
def test_many_more_mistakes(folder):
    assert len(field_mistakes()) > 20_000
    for mistake in field_mistakes()[::5]:
        _refused(mistake, folder)


def test_the_base_of_every_mistake_is_none(folder):
    """Without the mistake, work begins: it is the mistake that is refused."""
    for script in sorted({m.script for m in field_mistakes()}):
        base = next(m for m in field_mistakes() if m.script == script)
        config = base.arguments[0].rpartition("/")[2].removesuffix(".py")
        more = HARMLESS if script == "launch" else HARMLESS[:2]
        right = _filled(with_config(script, config, *more, named=()), folder / script)
        with pytest.raises(AssertionError, match="work began"):
            in_process.run(script, *right.arguments)


_ALONE = 12
"""Mistakes that run in processes of their own, 2 s each; one by default."""


def _seconds_of_processes():
    """What processes that this one started and that have ended took of a core."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("index", kept(range(_ALONE), [0]))
def test_in_a_process_of_its_own(folder, index):
    draw = random.Random(index)
    mistake = _filled(draw.choice(more_mistakes() if index % 2 else field_mistakes()), folder)
    before, spent = _tree(folder), _seconds_of_processes()
    path = str(in_process.ROOT / "scripts" / f"{mistake.script}.py")
    environment = {**os.environ, "PYTHONPATH": str(in_process.ROOT)}
    process = subprocess.Popen(
        [sys.executable, path, *mistake.arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    out, err = process.communicate()
    assert _seconds_of_processes() - spent < SECONDS  # of a core, the imports among them
    assert out == ""
    _check_line(mistake, process.returncode, err)
    assert _tree(folder) == before
    assert err == in_process.run(mistake.script, *mistake.arguments).err
