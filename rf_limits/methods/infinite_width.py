"""The two kernels of an infinitely wide network: of its output layer, and of what is trained."""

import dataclasses

from jaxtyping import Array

from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.methods.kernel import KernelMethod, KernelProblem, Matrices, network_kernels
from rf_limits.models import InfiniteNetwork


@dataclasses.dataclass(frozen=True, kw_only=True)
class InfiniteWidthKernel(KernelMethod):
    """Regression with a kernel that a network has in the limit of infinite width.

    Its values are the field of :class:`~rf_limits.models.Kernels` that has the method's key.
    """

    is_streamed = True
    uses_infinite_width = True

    def sections(self, limit: InfiniteNetwork, x: Array, points: Array) -> Array:
        """Returns values of the network's kernel between inputs and training inputs."""
        return getattr(network_kernels(limit, x, points), self.key)

    def matrices(self, problem: KernelProblem) -> Matrices:
        """Returns the network's kernel, computed once for both methods."""
        crosses = None if problem.exact else getattr(problem.crosses, self.key)
        return Matrices(getattr(problem.grams, self.key), crosses, problem.grams.error)

    def family(self) -> tuple[KernelMethod, ...]:
        """Returns both kernels: they come from one computation."""
        return NNGP, NTK

    def exact_risk(self, problem: KernelProblem) -> ExactKernelRisk | None:
        """Returns the exact risks where the spectrum of the network's kernels is known, or None."""
        return problem.exact


NNGP = InfiniteWidthKernel(
    key="nngp", label="NNGP, infinite width", short="NNGP", colour="#CC79A7", marker="D"
)
NTK = InfiniteWidthKernel(
    key="ntk", label="NTK, infinite width", short="NTK", colour="#009E73", marker="v"
)
