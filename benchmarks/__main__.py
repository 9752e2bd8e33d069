"""``make bench``: rf_limits beside what one would write otherwise, as ratios.

python -m benchmarks [--only=training,kernels] [--write | --output=DIR]

Every job runs in a process of its own. Ratios are compared with those of benchmarks/reference.json
where the machine is the same kind; one that is worse by more than a fifth is a REGRESSION, and the
exit code is then 1, as it is where a job fails. ``--write`` puts the ratios found there, and the
table into benchmarks/README.md; ``--output`` puts both elsewhere.

Where JAX finds an accelerator the job ``accelerator`` runs in place of the others, and its ratios
are those of accelerators.json and accelerators.md.
"""

import json
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from benchmarks.machine import ask
from benchmarks.rows import Row, from_json
from benchmarks.table import HERE, Record, lost, markdown, measured_on, show

JOBS = ("training", "measurements", "kernels", "exact", "sweep", "growth")
ACCELERATOR = "accelerator"

_ONLY = flags.DEFINE_list("only", None, f"Jobs: {', '.join((*JOBS, ACCELERATOR))}.")
_WRITE = flags.DEFINE_bool("write", False, "Replace the committed ratios and table.")
_OUTPUT = flags.DEFINE_string("output", None, "Write ratios and table into this folder.")


def run_job(name: str, *arguments: str) -> list[Row]:
    """Rows of a job, carried out in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.jobs.{name}", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=True)
    return from_json(done.stdout.strip().splitlines()[-1])


def readme(rows: list[Row], facts: dict[str, str]) -> str:
    """benchmarks/README.md."""
    lines = [
        "# Benchmarks",
        "",
        "`make bench` prints this table anew beside the committed ratios (reference.json), and",
        "`make bench BENCH_FLAGS=--write` replaces both. Ratios are medians over rounds in which",
        "both sides run in turn, after warm-up, compile time apart; seconds are medians too.",
        "≥: times as fast as the other. ≤: times the time of the other, or a share.",
        "",
        measured_on(facts),
        "",
        *markdown(rows),
    ]
    return "\n".join(lines) + "\n" + (HERE / "notes.md").read_text()


def write(folder: Path, facts: dict[str, str], found: list[Row]) -> None:
    """Puts the ratios of jobs on CPU, and those kept of the same machine, into files."""
    rows = Record(HERE / "reference.json").put(facts, found)
    text = {"machine": facts, "rows": [vars(row) for row in rows]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reference.json").write_text(json.dumps(text, indent=1) + "\n")
    (folder / "README.md").write_text(readme(rows, facts))


def main(argv: list[str]) -> int:
    """Runs the jobs asked for and prints the table."""
    del argv
    facts, backend = ask()
    names = _ONLY.value or (JOBS if backend == "cpu" else (ACCELERATOR,))
    folder = Path(_OUTPUT.value).resolve() if _OUTPUT.value else HERE if _WRITE.value else None
    before = {}
    for file in ("reference.json", "accelerators.json"):
        before |= Record(HERE / file).known(facts["device"])
    found: dict[str, list[Row]] = {}
    failed: list[str] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        own = name == ACCELERATOR and folder is not None  # it writes as it goes
        try:
            found[name] = run_job(name, *([f"--output={folder}"] if own else []))
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"{name} failed with exit code {error.returncode}", file=sys.stderr)
    rows = [row for name in names for row in found.get(name, [])]
    show(f"rf_limits on {facts['device']}", rows, before)
    if not before:
        print("No ratios of this kind of machine are committed: nothing to compare with.")
    failed += [row.job for row in rows if row.failed]
    elsewhere = [row for name in found if name != ACCELERATOR for row in found[name]]
    if folder is not None and elsewhere:
        write(folder, facts, elsewhere)
    return int(bool(failed or (folder is None and lost(rows, before))))


if __name__ == "__main__":
    app.run(main)
