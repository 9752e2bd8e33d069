"""What the package reaches on an accelerator, as shares of peaks measured beside it.

python -m benchmarks.jobs.accelerator [--pieces=ensemble,large] [--output=DIR] [--profile=DIR]
    [--tiny]

Every piece that fails is a row that says why. ``--output`` has the rows in DIR/accelerators.json
and accelerators.md, with those that are there, or committed, of other devices and pieces, written
again after every row. ``--profile`` has traces and, in profile.txt, what takes longest in them.
``--tiny`` tries everything out on any machine.
"""

import json
from pathlib import Path

import jax
from absl import app, flags

from benchmarks.device import exact, kernels, sweep, training
from benchmarks.device.bench import Bench, attempt, ceilings, say
from benchmarks.device.sizes import FULL, TINY
from benchmarks.machine import machine
from benchmarks.rows import hand_over
from benchmarks.table import HERE, Record, markdown, measured_on

PIECES = {
    "ensemble": training.ensemble,
    "large": training.large,
    "empirical": kernels.empirical,
    "regression": kernels.regression,
    "risk": exact.random_features,
    "gradients": exact.gradients,
    "measurements": training.measurements,
    "infinite": kernels.infinite,
    "torch": training.torch,
    "sweep": sweep.sweep,
}

_PIECES = flags.DEFINE_list("pieces", list(PIECES), f"Of: {', '.join(PIECES)}.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for accelerators.json and .md.")
_PROFILE = flags.DEFINE_string("profile", None, "Folder for traces and profile.txt.")
_TINY = flags.DEFINE_bool("tiny", False, "Sizes that any machine can take.")


def page(record: Record) -> str:
    """accelerators.md: a table for every kind of device."""
    lines = [(HERE / "accelerators_notes.md").read_text().rstrip()]
    for device, held in record.by_device.items():
        title, facts = ["", f"## {device}", ""], measured_on(held["machine"])
        lines += [*title, facts, "", *markdown(record.rows(device))]
    return "\n".join(lines) + "\n"


def write(folder: Path, record: Record) -> None:
    """Both files, each replaced at once."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "accelerators.json": json.dumps(record.by_device, indent=1) + "\n",
        "accelerators.md": page(record),
    }
    for name, text in texts.items():
        (folder / f"{name}.new").write_text(text)
        (folder / f"{name}.new").rename(folder / name)


def main(argv: list[str]) -> None:
    """Runs the pieces asked for."""
    del argv
    facts, sizes = machine(), FULL
    if _TINY.value:
        sizes, facts["device"] = TINY, f"{facts['device']}, tiny sizes"
    elif jax.default_backend() == "cpu":
        raise app.UsageError("this job is for accelerators; --tiny tries it out on a CPU.")
    unknown = set(_PIECES.value) - set(PIECES)
    if unknown:
        raise app.UsageError(f"--pieces must be of {', '.join(PIECES)}, not {', '.join(unknown)}.")
    profile = Path(_PROFILE.value) if _PROFILE.value else None
    if profile is not None:
        profile.mkdir(parents=True, exist_ok=True)
    bench, found = Bench(sizes, profile), []
    committed = HERE / "accelerators.json"
    record, before = Record(committed), Record(committed).known(facts["device"])
    if _OUTPUT.value and (Path(_OUTPUT.value) / committed.name).is_file():
        record = Record(Path(_OUTPUT.value) / committed.name)
    for name in ("ceilings", *_PIECES.value):
        piece = PIECES.get(name, ceilings)
        say(f"{name} ...")
        for row in attempt(name, "the piece", lambda piece=piece: piece(bench)):
            found.append(row)
            share = f"{row.ratio:.3g} ({row.change(before.get(row.name))})"
            say(f"  {row.job} | {row.against} | {share} | {row.note}")
            if _OUTPUT.value:
                record.put(facts, found, order="found")
                write(Path(_OUTPUT.value), record)
    say("done")
    hand_over(found)


if __name__ == "__main__":
    app.run(main)
