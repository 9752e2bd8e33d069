"""``make bench``: rf_limits beside what one would write otherwise, as ratios.

python -m benchmarks [--only=training,kernels] [--write]

Every job runs in a process of its own. Ratios are compared with those of benchmarks/reference.json
where the machine is the same kind; one that is worse by more than a fifth is a REGRESSION, and the
exit code is then 1, as it is where a job fails. ``--write`` puts the ratios found there, and the
table into benchmarks/README.md.
"""

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from absl import app, flags
from rich.console import Console
from rich.table import Table

from benchmarks.rows import MOST_LOST, Row, from_json, to_json

JOBS = ("training", "measurements", "kernels", "exact", "sweep", "growth")
HERE = Path(__file__).parent
REFERENCE = HERE / "reference.json"
README = HERE / "README.md"
PACKAGES = ("jax", "jaxlib", "flax", "optax", "neural-tangents", "numpy", "scipy")
OTHERS = ("torch", "scikit-learn")
COLUMNS = ("job", "against", "ours (s)", "other (s)", "ratio", "goal", "verdict", "change", "note")

_ONLY = flags.DEFINE_list("only", list(JOBS), f"Jobs: {', '.join(JOBS)}.")
_WRITE = flags.DEFINE_bool("write", False, "Replace the committed ratios and table.")


def run_job(name: str) -> list[Row]:
    """Rows of a job, carried out in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.jobs.{name}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=True)
    return from_json(done.stdout.strip().splitlines()[-1])


def machine() -> dict[str, str]:
    """What the ratios were measured on, and with."""
    import jax

    device = jax.devices()[0]
    cores = f"{jax.device_count()} x {device.device_kind}"
    if device.platform == "cpu":
        import os

        cores = f"{len(os.sched_getaffinity(0))} CPU cores ({_processor()})"
    versions = {name: metadata.version(name) for name in (*PACKAGES, *OTHERS)}
    return {"device": cores, "python": platform.python_version(), **versions}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def cells(row: Row, before: Row | None) -> list[str]:
    """What the table shows of a row."""
    sign = "≥" if row.larger_is_better else "≤"
    seconds = ["" if value is None else f"{value:.3g}" for value in (row.ours, row.other)]
    goal = "" if row.goal is None else f"{sign} {row.goal:g}"
    return [
        row.job,
        row.against,
        *seconds,
        f"{row.ratio:.2f}",
        goal,
        row.verdict,
        row.change(before),
        row.note,
    ]


def markdown(rows: list[Row], facts: dict[str, str]) -> str:
    """benchmarks/README.md."""
    shown = [name for name in COLUMNS if name != "change"]
    lines = [
        "# Benchmarks",
        "",
        "`make bench` prints this table anew beside the committed ratios (reference.json), and",
        "`make bench BENCH_FLAGS=--write` replaces both. Ratios are medians over rounds in which",
        "both sides run in turn, after warm-up, compile time apart; seconds are medians too.",
        "≥: times as fast as the other. ≤: times the time of the other, or a share.",
        "",
        "Measured on " + "; ".join(f"{name} {value}" for name, value in facts.items()) + ".",
        "",
        "| " + " | ".join(shown) + " |",
        "|" + "---|" * len(shown),
    ]
    for row in rows:
        values = dict(zip(COLUMNS, cells(row, None), strict=True))
        lines.append("| " + " | ".join(values[name] for name in shown) + " |")
    return "\n".join(lines) + "\n" + NOTES


NOTES = (HERE / "notes.md").read_text()


def main(argv: list[str]) -> int:
    """Runs the jobs asked for and prints the table."""
    del argv
    facts = machine()
    committed = json.loads(REFERENCE.read_text()) if REFERENCE.is_file() else None
    comparable = committed is not None and committed["machine"]["device"] == facts["device"]
    old = from_json(json.dumps(committed["rows"])) if committed else []
    before = {row.name: row for row in old} if comparable else {}
    table = Table(title=f"rf_limits on {facts['device']}", title_justify="left")
    for name in COLUMNS:
        table.add_column(name)
    found: list[Row] = []
    failed: list[str] = []
    for name in _ONLY.value:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            found += run_job(name)
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"{name} failed with exit code {error.returncode}", file=sys.stderr)
    for row in found:
        table.add_row(*cells(row, before.get(row.name)))
    Console(width=200).print(table)
    if not comparable:
        print("No ratios of this kind of machine are committed: nothing to compare with.")
    lost = [row for row in found if row.name in before and row.lost(before[row.name]) > MOST_LOST]
    if _WRITE.value:
        fresh = {row.name for row in found}
        kept = [row for row in old if row.name not in fresh] if comparable else []
        rows = sorted([*kept, *found], key=lambda row: row.name)
        text = {"machine": facts, "rows": json.loads(to_json(rows))}
        REFERENCE.write_text(json.dumps(text, indent=1) + "\n")
        README.write_text(markdown(rows, facts))
        return int(bool(failed))
    return int(bool(lost or failed))


if __name__ == "__main__":
    app.run(main)
