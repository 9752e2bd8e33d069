"""What measuring at 50 log-spaced points adds to training."""

from benchmarks.jobs.ensemble import STANDARD, Ensemble
from benchmarks.rows import Row, hand_over
from benchmarks.timing import Times, in_turn
from rf_limits.methods import LINEARIZED, NETWORK

POINTS, CHUNK = 50, 400
EVERYTHING = {
    "predictors.methods": ("network", "linearized"),
    "measure.kernels": True,
    "measure.eigenvalues": 10,
    "measure.infinite_width": True,
    "measure.alignment": True,
    "measure.test_loss": True,
}
DEFAULT = {"predictors.methods": ("network",)}


def measured(of: Ensemble = STANDARD, **fields) -> Times:
    """Times of ``train``, :data:`CHUNK` steps of all networks, and of ``measure``, once."""
    run = of.prepared(**fields).widths[0]
    (cells, which), trainer = run.ensemble.cells(), run.trainer()
    measure_all, data = run.measurements(), run.seed_data()
    change = trainer.advance(trainer.start(cells), cells, 10).change

    def measure():
        changes = {NETWORK.key: change}
        if LINEARIZED in run.trained:
            changes[LINEARIZED.key] = run.closed_form.change(cells, which, 10)
        rounding = trainer.rounding_error(trainer.start(cells), cells)
        return measure_all(changes, cells, data, which, 10.0), rounding

    return in_turn(
        train=lambda: trainer.advance(trainer.start(cells), cells, CHUNK).change, measure=measure
    )


def rows() -> list[Row]:
    """Rows of the table."""
    found = []
    for what, fields, goal in (
        ("every measurement", EVERYTHING, 1.25),
        ("the risk", DEFAULT, None),
    ):
        times = measured(**fields)
        step, measure = times.median("train") / CHUNK, times.median("measure")
        for steps in (100_000, 20_000):
            plain = steps * step
            whole = plain + POINTS * measure
            found.append(
                Row(
                    f"{STANDARD.title}, {steps} steps, {what} at {POINTS} log-spaced points",
                    "itself without",
                    whole / plain,
                    goal if steps == 100_000 else None,
                    False,
                    whole,
                    plain,
                    f"from a step of {1e3 * step:.2g} ms and a measurement of {measure:.2g} s",
                )
            )
    return found


if __name__ == "__main__":
    hand_over(rows())
