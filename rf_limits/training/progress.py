"""Progress of a part of the work, as a share of the whole."""

from rf_limits.training.result import Report


class Progress:
    """A report of progress that can be divided among the parts of the work.

    It is called as the report itself is, with a line of text and the fraction that is done.

    Args:
      report: what is called.
      total: cost of all parts together.
    """

    def __init__(self, report: Report, total: float | int = 1.0):
        self._report, self._total, self._done = report, total, 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        """Reports that ``fraction`` is done, and that ``stage`` is under way."""
        self._report(stage, fraction)

    def part(self, cost: float | int, name: str = "") -> "Progress":
        """Returns the next part of the work, which begins where the parts before it end.

        Args:
          cost: of the part, in units of the whole's ``total``.
          name: put before its stages.
        """
        begin = self._done
        self._done += cost

        def report(stage: str, fraction: float) -> None:
            text = " ".join(word for word in (name, stage) if word)
            self(text, (begin + min(fraction, 1.0) * cost) / self._total)

        return Progress(report)
