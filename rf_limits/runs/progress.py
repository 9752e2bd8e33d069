"""Progress of a run: a bar on a terminal, a line per stage elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[[str, float], None]


@contextlib.contextmanager
def progress(console: Console) -> Iterator[Report]:
    """Yields ``report(stage, fraction)``; fraction is the share of all work done."""
    if console.is_terminal:
        columns = (
            TextColumn("{task.description:>16}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("starting", total=1.0)
            yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
        return
    started, last = time.monotonic(), [""]

    def report(stage: str, fraction: float) -> None:
        if stage != last[0]:
            last[0] = stage
            elapsed = time.monotonic() - started
            console.print(f"[{elapsed:6.1f} s, {100 * fraction:3.0f}%] {stage}", highlight=False)

    yield report
