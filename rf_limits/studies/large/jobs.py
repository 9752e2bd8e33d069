"""The fits of a large job, each with how it is solved."""

from typing import NamedTuple

from rf_limits.methods import METHODS
from rf_limits.studies.large.configs import LargeConfig
from rf_limits.studies.large.plan import Plan, is_kernel, plan_fit


class Job(NamedTuple):
    """One fit: method, N (None for kernels), n, seed and how it is solved."""

    method: str
    width: int | None
    num_train: int
    seed: int
    plan: Plan

    @property
    def name(self) -> str:
        """Returns the fit in words."""
        width = "" if self.width is None else f"N = {self.width}, "
        return f"{METHODS[self.method].short}, {width}n = {self.num_train}, seed {self.seed}"


def make_jobs(config: LargeConfig) -> list[Job]:
    """Returns all fits, cheapest first within a method.

    Raises:
      RequirementError: one that cannot fit in memory.
    """
    jobs = []
    for method in config.methods:
        widths: list[int | None] = [None] if is_kernel(method) else [*sorted(config.widths)]
        for width in widths:
            for num in sorted(config.nums_train):
                plan = plan_fit(config, method, width, num)
                jobs += [Job(method, width, num, seed, plan) for seed in range(config.seeds)]
    return jobs
