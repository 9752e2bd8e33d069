"""The premises under which runs certify a mean, and the three limits that they serve."""

import dataclasses

from rf_limits.errors import check

UNIFORM, INVARIANT = "uniform", "rotation_invariant"


@dataclasses.dataclass(frozen=True)
class Premises:
    """What the caller states of how runs were drawn; nothing by default.

    Attributes:
      direction_law: ``"uniform"`` or None.
      initial_law: ``"rotation_invariant"`` or None.
      data_law: ``"rotation_invariant"`` or None.

    Raises:
      RequirementError: a law of another name.
    """

    direction_law: str | None
    initial_law: str | None
    data_law: str | None

    def __post_init__(self) -> None:
        for name, known in (
            ("direction_law", UNIFORM),
            ("initial_law", INVARIANT),
            ("data_law", INVARIANT),
        ):
            value = getattr(self, name)
            check(value in (None, known), name, f"be None or {known!r}", value)

    def check_unused(self) -> None:
        """Refuses premises of a single run, which certify nothing.

        Raises:
          RequirementError: one is stated.
        """
        for name, value in dataclasses.asdict(self).items():
            check(value is None, name, "be stated of a list of runs only", value)


@dataclasses.dataclass(frozen=True)
class Bound:
    """One of the three limits.

    Attributes:
      field: of a :class:`~rf_limits.verdicts.verdict.Verdict`.
      symbol: as it is printed.
      law: the premise that serves it beside a uniform direction.
      excluded: what cannot be below it on average, where directions were drawn.
      excluded_by_law: the same where that law stands for the direction.
    """

    field: str
    symbol: str
    law: str
    excluded: str
    excluded_by_law: str


BOUNDS = (
    Bound(
        "limit_functions",
        "R*(P)",
        "initial_law",
        "every algorithm that ends in the span of P functions fixed beforehand",
        "every algorithm that ends in the span of P features of rotation-invariant law",
    ),
    Bound(
        "limit_samples",
        "R*(n)",
        "data_law",
        "methods whose predictors lie in the span of n functions fixed by the inputs, but none "
        "that chooses a kernel by labels",
        "methods with a rotation-invariant kernel whose predictors lie in the span of n functions "
        "fixed by the inputs, but none that chooses a kernel by labels",
    ),
    Bound(
        "label_linear",
        "L*(X)",
        "data_law",
        "methods that are linear in the labels, but no clipping, and no ridge or stopping time "
        "that labels choose",
        "methods with a rotation-invariant kernel that are linear in the labels, but no clipping, "
        "and no ridge or stopping time that labels choose",
    ),
)
