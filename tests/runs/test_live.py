"""A run as programs follow it: JSON lines, event files, and how to go on after Ctrl-C."""

import datetime
import io
import json
import shlex
import sys

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rf_limits.analysis.tables import rows_of
from rf_limits.errors import RequirementError
from rf_limits.runs import tensorboard
from rf_limits.runs.events import JsonLines, to_all
from rf_limits.runs.session import resume_command, run_in_workdir
from rf_limits.runs.store import RunStore
from rf_limits.runs.tensorboard import TensorBoard
from rf_limits.training import run as training
from tests.runs.one_figure import one_figure
from tests.runs.test_command_line import TINY, train
from tests.runs.test_session import run, tiny_config
from tests.variants import kept

FIELDS = {
    "start": {"workdir", "experiment", "process"},
    "note": {"text"},
    "warning": {"text"},
    "progress": {"stage", "fraction", "elapsed", "left"},
    "cell": {"name", "state", "detail"},
    "measurement": {"part", "rows", "again"},
    "saved": {"what", "name"},
    "stopped": {"signal", "again", "resume"},
    "end": {"status", "exit_code", "seconds", "paths"},
}
"""As docs/live.md has them."""


def parsed(text):
    """The events of a stream, each line checked."""
    found = []
    for line in text.splitlines():
        event = json.loads(line)
        datetime.datetime.fromisoformat(event.pop("time"))
        assert event["event"] in FIELDS
        assert set(event) - {"event", "error"} >= FIELDS[event["event"]] - (
            {"exit_code", "seconds"} if "error" in event else set()
        )
        found.append(event)
    return found


def followed(config, path, *listeners, **options):
    """Exit code and events of a run."""
    stream = io.StringIO()
    tell = to_all(JsonLines(stream), *listeners)
    code, _ = run(config, path, tell=tell, **options)
    return code, parsed(stream.getvalue())


def of(events, name):
    return [event for event in events if event["event"] == name]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A run with every method, two seeds, JSON lines and event files: path and events."""
    path = tmp_path_factory.mktemp("live") / "run"
    config = tiny_config()
    config.seeds = 2
    code, events = followed(config, path, TensorBoard(path), save_every=0.0)
    assert code == 0
    return path, events


def test_nothing_else_on_standard_output(tmp_path, capsys):
    config = tiny_config()
    config.predictors.methods, config.model.widths = ("network",), (4,)
    run(config, tmp_path / "run", tell=JsonLines(sys.stdout))
    out = capsys.readouterr()
    assert out.err == ""
    events = parsed(out.out)
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]


def test_the_stream_tells_the_whole_run(live):
    path, events = live
    names = [event["event"] for event in events]
    assert names[0] == "start"
    assert names[-1] == "end"
    assert events[0]["workdir"] == str(path)
    fractions = [event["fraction"] for event in of(events, "progress")]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    saved = {(event["what"], event["name"]) for event in of(events, "saved")}
    parts = {("part", name) for name in ("width-4", "width-8", "infinite-width")}
    assert saved >= {*parts, ("state", "width-8"), ("results", str(path))}
    end = events[-1]
    assert (end["status"], end["exit_code"]) == ("complete", 0)
    assert f"{path}/metrics.parquet" in end["paths"]
    assert f"{path}/figures/risk_against_width.png" in end["paths"]
    assert any("E f*^2" in event["text"] for event in of(events, "note"))


def test_measurements_are_the_rows_of_the_table(live):
    path, events = live
    rows = [row for event in of(events, "measurement") for row in event["rows"]]
    metrics = RunStore(path).read_metrics()
    keys = ["method", "width", "lazy_scale", "seed", "step", "time"]
    told = pd.DataFrame(rows).reindex(columns=[*keys, "risk"])
    told["time"] = told["time"].astype(float)  # "inf" where a kernel has converged
    assert len(told) == len(metrics)
    pd.testing.assert_frame_equal(
        told.astype(metrics[told.columns].dtypes).sort_values(keys, ignore_index=True),
        metrics[told.columns].sort_values(keys, ignore_index=True),
        check_exact=True,
    )


def test_listening_changes_no_number(live, tmp_path):
    config = tiny_config()
    config.seeds = 2
    assert run(config, tmp_path / "run")[0] == 0
    tables = [RunStore(path).read_metrics() for path in (live[0], tmp_path / "run")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_finished_run_ends_at_once(live):
    config = tiny_config()
    config.seeds = 2
    code, events = followed(config, live[0])
    assert code == 0
    assert [event["event"] for event in events] == ["start", "note", "end"]
    assert events[-1]["status"] == "finished"


def test_refusals_and_failures_end_the_stream(tmp_path, monkeypatch):
    config, stream = tiny_config(), io.StringIO()
    config.training.learning_rate = "1e9"
    with pytest.raises(RequirementError):
        run_in_workdir(config, tmp_path, console=Console(quiet=True), tell=JsonLines(stream))
    assert not any(tmp_path.iterdir())
    end = parsed(stream.getvalue())[-1]
    assert (end["event"], end["status"]) == ("end", "refused")
    assert "training.learning_rate" in end["error"]


def test_a_reader_that_goes_away_stops_nothing():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    tell = JsonLines(Closed())
    tell("note", text="one")
    tell("note", text="two")


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    """In one line, the command; and the command without --overwrite, which would start again."""
    compute, calls = training.descend, []

    def descend(runs, keeps, report):
        calls.append(runs[0].network.width)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return compute(runs, keeps, report)

    monkeypatch.setattr(training, "descend", descend)
    argv = ["scripts/train.py", "--overwrite", "--config.model.widths=(4,8)", "--workdir=x"]
    monkeypatch.setattr(sys, "argv", argv)
    text, stream = io.StringIO(), io.StringIO()
    console = Console(file=text, width=60)
    config = tiny_config()
    config.predictors.methods = ("network",)
    with one_figure():
        code = run_in_workdir(config, tmp_path / "run", True, None, console, tell=JsonLines(stream))
    assert code == 130
    command = "python scripts/train.py '--config.model.widths=(4,8)' --workdir=x"
    assert text.getvalue().splitlines()[-1] == (
        f"Interrupted; without --overwrite the same command goes on from what is saved: {command}"
    )
    *_, stopped, end = parsed(stream.getvalue())
    assert stopped["event"] == "stopped"
    assert (stopped["signal"], stopped["resume"]) == (2, command)
    assert (end["status"], end["exit_code"]) == ("interrupted", 130)
    # and so it does
    assert run(config, tmp_path / "run")[0] == 0
    assert calls == [4, 8, 8]


@pytest.mark.parametrize("case", kept([("part", 0), ("part", 2), ("state", 1)], [("state", 1)]))
def test_a_resumed_run_tells_all_its_rows(tmp_path, case):
    """Interrupted after the given part or state; those it kept are marked."""
    config, seen, (what, where) = tiny_config(), [], case
    config.training.log_points = 4

    def interrupt(event, **fields):
        if event == "saved" and fields["what"] == what:
            seen.append(fields["name"])
            if len(seen) == where + 1:
                raise KeyboardInterrupt

    def sorted_rows(events):
        rows = [row for event in of(events, "measurement") for row in event["rows"]]
        return sorted(json.dumps(row, sort_keys=True) for row in rows)

    _, whole = followed(config, tmp_path / "whole")
    code, _ = followed(config, tmp_path / "run", interrupt, save_every=0.0)
    assert code == 130
    code, events = followed(config, tmp_path / "run", TensorBoard(tmp_path / "run"))
    assert code == 0
    assert any(event["again"] for event in of(events, "measurement"))
    assert not any(event["again"] for event in of(whole, "measurement"))
    assert sorted_rows(events) == sorted_rows(whole)
    # event files began with this attempt: they have the kept rows too
    curves = event_files(tmp_path / "run" / "tensorboard")
    for name in ("network,N=4,scale=1", "network,N=8,scale=1"):
        assert [step for step, _ in curves[name]["risk"]] == [0, 1, 2, 4]


def test_rows_of_tables():
    """With what each method has; of none, none."""
    assert rows_of(pd.DataFrame([])) == []
    rows = [
        {"method": "network", "width": 4, "step": 0, "risk": 0.5},
        {"method": "ntk", "time": np.inf, "risk": np.nan},
    ]
    found = rows_of(pd.DataFrame(rows))
    assert found[0] == rows[0]
    assert isinstance(found[0]["width"], int)
    assert found[1].keys() == rows[1].keys()


@pytest.mark.parametrize("methods", [("network",), ("network", "ntk")])
def test_a_run_whose_parts_are_all_kept_goes_on(tmp_path, methods):
    """Interrupted when its last part was kept, which may have no rows."""
    config, seen = tiny_config(), []
    config.predictors.methods, config.model.widths = methods, (4,)

    def interrupt(event, **fields):
        if event == "saved" and fields["what"] == "part":
            seen.append(fields["name"])
            if fields["name"] == training.INFINITE_WIDTH:
                raise KeyboardInterrupt

    assert followed(config, tmp_path / "run", interrupt)[0] == 130
    code, events = followed(config, tmp_path / "run")
    assert code == 0
    assert {event["part"] for event in of(events, "measurement")} <= set(seen)


def test_resume_commands():
    argv = ["prog", "--workdir=a b", "--overwrite"]
    assert shlex.split(resume_command(argv)) == ["prog", "--workdir=a b"]
    assert shlex.split(resume_command(argv, kept=False)) == argv


def event_files(path):
    """Scalars in event files by folder and tag: lists of (step, value)."""
    from tensorboardX.proto import event_pb2

    found = {}
    for file in sorted(path.rglob("events.out.tfevents.*")):
        data, at = file.read_bytes(), 0
        while at < len(data):  # length, its checksum, the record, its checksum
            size = int.from_bytes(data[at : at + 8], "little")
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
            at += 16 + size
            for value in event.summary.value:
                tags = found.setdefault(file.parent.name, {})
                tags.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_event_files_hold_means_over_seeds(live):
    path, _ = live
    found = event_files(path / "tensorboard")
    metrics = RunStore(path).read_metrics()
    assert set(found) == {
        *(
            f"{method},N={width},scale=1"
            for method in ("network", "linearized")
            for width in (4, 8)
        ),
        *(f"{method}_features,N={width}" for method in ("random", "tangent") for width in (4, 8)),
        "nngp",
        "ntk",
    }
    network = metrics[(metrics["method"] == "network") & (metrics["width"] == 8)]
    means = network.groupby("step")[["risk", "kernel_drift"]].mean()
    for tag in means:
        steps, values = zip(*found["network,N=8,scale=1"][tag], strict=True)
        assert list(steps) == means.index.tolist()
        np.testing.assert_allclose(values, means[tag], rtol=1e-6)  # event files hold float32
    assert {value for _, value in found["network,N=8,scale=1"]["diverged"]} == {0.0}
    for method in ("nngp", "random_features,N=4"):
        steps, values = zip(*found[method]["risk"], strict=True)
        assert steps == (0, 4)
        assert values[0] == values[1]
    kernel = metrics[(metrics["method"] == "ntk") & np.isinf(metrics["time"])]
    np.testing.assert_allclose(found["ntk"]["risk"][0][1], kernel["risk"].mean(), rtol=1e-6)


def test_diverged_seeds_are_shown_and_not_averaged_in(tmp_path):
    def row(seed, risk):
        return {"method": "network", "width": 4, "lazy_scale": 1.0, "seed": seed, "step": 3} | {
            "time": 0.3,
            "risk": risk,
        }

    board = TensorBoard(tmp_path)
    rows = [row(0, 1.0), row(1, float("nan")), row(2, float("inf"))]
    board("measurement", part="width-4", rows=rows)
    board("end", status="complete")
    (found,) = event_files(tmp_path).values()
    assert np.isnan(found["risk"][0][1])
    assert found["diverged"] == [(3, 2.0)]


def test_without_tensorboardx_the_flag_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(RequirementError, match=r"--tensorboard must .*rf_limits\[tensorboard\]"):
        TensorBoard(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_ends_event_files_not_the_run(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    board = TensorBoard(tmp_path)
    monkeypatch.setattr(board, "_write", full)
    rows = [{"method": "ntk", "seed": 0, "time": float("inf"), "risk": 1.0}]
    for _ in range(2):
        board("measurement", part="infinite-width", rows=rows)
    board("end")


def test_rows_of_kernels_on_the_way_are_told_from_converged_ones():
    rows = [
        {"method": "ntk", "seed": seed, "time": time, "risk": 1.0}
        for seed in (0, 1)
        for time in (0.0, float("inf"))
    ]
    groups = tensorboard.by_cell(rows)
    assert sorted([row["time"] for row in group] for group in groups) == [
        [0.0, 0.0],
        [float("inf")] * 2,
    ]


@pytest.mark.parametrize("flag", ["--log=json", "--tensorboard"])
def test_from_the_command_line(tmp_path, flag):
    found = train(*TINY, f"--workdir={tmp_path / 'run'}", flag)
    assert (found.code, found.err) == (0, "")
    if flag == "--log=json":
        assert parsed(found.out)[-1]["status"] == "complete"
    else:
        assert "Results in" in found.out
        assert event_files(tmp_path / "run" / "tensorboard")
