"""Traces read, failures kept apart, and rows that accumulate by device."""

import json

import jax
import jax.numpy as jnp
import pytest

from benchmarks.device import trace
from benchmarks.device.bench import Bench, Timed, attempt, ceilings
from benchmarks.device.sizes import FULL, TINY
from benchmarks.rows import Row, from_json, to_json
from benchmarks.table import Record, lost, markdown


def names(pid, process, lines):
    yield {"ph": "M", "pid": pid, "name": "process_name", "args": {"name": process}}
    for tid, line in lines.items():
        args = {"name": line}
        yield {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": args}


def span(pid, tid, name, duration, **args):
    return {"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": 0, "dur": duration, "args": args}


def test_kernels_are_those_of_streams():
    events = [
        *names(1, "/device:GPU:0", {1: "Stream #13(Compute)", 2: "XLA Modules", 3: "XLA Ops"}),
        *names(7, "/host:CPU", {1: "python"}),
        span(1, 1, "gemm", 30.0, hlo_op="dot.3"),
        span(1, 1, "loop_fusion", 20.0, hlo_op="fusion"),
        span(1, 1, "gemm", 10.0, hlo_op="dot.4"),
        span(1, 2, "jit_step", 90.0),
        span(1, 3, "dot.3", 30.0),
        span(7, 1, "gemm", 500.0, hlo_op="dot.3"),
    ]
    first, second = trace.kernels(events)
    assert first == trace.Kernel("gemm", "dot.3", 2, pytest.approx(40e-6))
    assert second.name == "loop_fusion"
    lines = trace.table("a step", [first, second], 1e-3).splitlines()
    assert len(lines) == 3
    assert "66.7%" in lines[1]
    assert "[dot.3]" in lines[1]


def test_without_a_device_operations_of_the_host_count():
    events = [
        *names(7, "/host:CPU", {1: "worker"}),
        span(7, 1, "dot.3", 30.0, hlo_op="dot.3"),
        span(7, 1, "while.1", 90.0, hlo_op="while.1"),
        span(7, 1, "python function", 500.0),
    ]
    assert [kernel.name for kernel in trace.kernels(events)] == ["dot.3"]
    assert trace.kernels([]) == []
    assert trace.table("nothing", [], 0.0)


def test_a_call_is_traced(tmp_path):
    product = jax.jit(lambda x: jnp.sin(x @ x))
    x = jnp.ones((64, 64))
    product(x)
    text = trace.profiled(lambda: product(x), "product", tmp_path)
    assert text.startswith("product: ")
    assert trace.read(tmp_path / "product.trace.json.gz")
    assert len(text.splitlines()) > 1


def test_a_failure_is_a_row_and_keeps_what_came_before():
    def make():
        yield Row("job", "other", 2.0)
        raise MemoryError("RESOURCE_EXHAUSTED: 32 GiB\nand a long story")

    kept, failure = attempt("job", "a part", make)
    assert kept.ratio == 2.0
    assert failure.failed
    assert failure.verdict == "FAILED"
    assert failure.note == "MemoryError: RESOURCE_EXHAUSTED: 32 GiB"
    assert from_json(to_json([failure]))[0].failed
    assert lost([failure], {failure.name: kept}) == []


def test_shares_are_of_what_was_measured():
    bench = Bench(TINY)
    rows = list(ceilings(bench))
    assert set(bench.peaks) == {"float32", "float64", "copy"}
    assert all(row.ratio > 0.0 for row in rows)
    bench.peaks["float64"] = 4e12
    row = bench.share("job", "float64", 1e12, Timed(3.0, 0.5), "more")
    assert row.ratio == pytest.approx(0.5)
    assert (row.ours, row.other) == pytest.approx((0.5, 0.25))
    assert row.note == "2 TFLOP/s; more; first call 3 s"
    del bench.peaks["float64"]
    assert bench.share("job", "float64", 1.0, 1.0).failed


def test_every_size_has_a_tiny_one():
    small = {name: value for name, value in vars(TINY).items() if value != vars(FULL)[name]}
    assert vars(FULL).keys() - small.keys() == {"dim", "sweep_seconds"}


def test_rows_accumulate_by_device(tmp_path):
    path = tmp_path / "accelerators.json"
    first, second = Row("b", "x", 1.0), Row("a", "x", 2.0, note="1 | 2")
    record = Record(path)
    assert record.rows("one") == []
    record.put({"device": "one"}, [first], order="found")
    record.put({"device": "two"}, [second])
    path.write_text(json.dumps(record.by_device))
    again = Record(path)
    assert again.put({"device": "one"}, [second], order="found") == [second, first]
    assert again.known("two") == {second.name: second}
    better = Row("b", "x", 3.0)
    assert again.put({"device": "one"}, [better]) == [second, better]
    assert lost([Row("b", "x", 1.0)], again.known("one"))
    assert "1 / 2" in markdown([second])[-1]
