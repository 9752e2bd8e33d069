"""A keep in memory that stops a run where a test wants it."""

import io

from rf_limits.runs.checkpoints import dump_arrays, load_arrays
from rf_limits.training.checkpointing import Keep, Stopped


class MemoryKeep(Keep):
    """Keeps parts and states; saves whenever asked, and stops at the n-th opportunity.

    Attributes:
      tables: parts by name.
      states: last states by name.
      left: opportunities to stop, saves and starts of parts, before the one that is taken.
      saved: names under which states were saved, in order.
    """

    def __init__(self, stop_at=None, earlier=None, prefix=""):
        self.tables = {} if earlier is None else earlier.tables
        self.states = {} if earlier is None else earlier.states
        self.left, self.saved, self.prefix = [stop_at], [], prefix

    def under(self, prefix):
        inner = MemoryKeep(earlier=self, prefix=f"{self.prefix}{prefix}.")
        inner.left, inner.saved = self.left, self.saved
        return inner

    def get(self, name):
        return self.tables.get(self.prefix + name)

    def put(self, name, table):
        self.tables[self.prefix + name] = table
        self.states.pop(self.prefix + name, None)

    def go_on(self):
        if self.left[0] is not None:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise Stopped

    def load(self, name):
        return self.states.get(self.prefix + name)

    def due(self):
        return True

    def save(self, name, state):
        file = io.BytesIO()  # as files hold it
        dump_arrays(file, state)
        self.states[self.prefix + name] = load_arrays(file)
        self.saved.append(self.prefix + name)
        self.go_on()


def run_in_pieces(prepared, opportunities):
    """The result of a prepared experiment, stopped again and again, and the number of stops.

    Args:
      prepared: has ``run(keep=...)``.
      opportunities: to stop that are let go by in every piece but the first.
    """
    keep, stops = MemoryKeep(stop_at=0), 0
    while True:
        try:
            return prepared.run(keep=keep), stops
        except Stopped:
            stops += 1
            keep = MemoryKeep(stop_at=opportunities, earlier=keep)
