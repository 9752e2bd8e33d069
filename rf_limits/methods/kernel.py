"""Methods that are regression with a kernel fixed before the labels."""

import abc
import dataclasses
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rf_limits.config.training import TrainingConfig
from rf_limits.devices.compiling import jit_quickly
from rf_limits.measure.kernel_risk import ExactKernelRisk
from rf_limits.measure.risk import Risk, sampled_risk
from rf_limits.methods.method import Kind, Method
from rf_limits.methods.regression import Regression, mean_square, regression, solve_kernel
from rf_limits.models import InfiniteNetwork, Kernels
from rf_limits.optimization.infinite_width import flow_means
from rf_limits.optimization.linearized import flow_coefficients, spectrum
from rf_limits.problem import Dataset
from rf_limits.regression.dense import Fit
from rf_limits.types import Scalar

Times = Float[Array, "T"] | Float[np.ndarray, "T"]
network_kernels = jit_quickly(InfiniteNetwork.kernels, static_argnums=0)


@dataclasses.dataclass(frozen=True, eq=False)
class KernelProblem:
    """One seed's data, and the kernels of a network on it, computed when they are asked for.

    Attributes:
      data: training and test set.
      limit: the infinitely wide network.
      exact: how to compute exact risks with its kernels, or None to use the test set.
      known: what was computed already, by its key.
    """

    data: Dataset
    limit: InfiniteNetwork
    exact: ExactKernelRisk | None = None
    known: dict[Hashable, Any] = dataclasses.field(default_factory=dict, repr=False)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """What ``compute()`` gave when it was first asked for under ``key``."""
        if key not in self.known:
            self.known[key] = compute()
        return self.known[key]

    @cached_property
    def grams(self) -> Kernels:
        """(n, n) kernels of the network on the training inputs."""
        return network_kernels(self.limit, self.data.x_train)

    @cached_property
    def crosses(self) -> Kernels:
        """(m, n) kernels of the network between test and training inputs."""
        return network_kernels(self.limit, self.data.x_test, self.data.x_train)


class Matrices(NamedTuple):
    """One kernel on one data set.

    Attributes:
      gram: (n, n), on the training inputs.
      cross: (m, n), between test and training inputs; None where risks are exact.
      error: of the entries, relative to the diagonal; 0 if it is rounding.
    """

    gram: Float[Array, "n n"]
    cross: Float[Array, "m n"] | None
    error: Float[Array, ""] | Float[np.ndarray, ""]


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelMethod(Method):
    """Kernel regression, the same for all widths.

    Attributes:
      is_rotation_invariant: whether k(Ox, Oz) = k(x, z) for all rotations O. The limit R*(n) is a
        mean over the target's direction, which all seeds share: it bounds the means of a kernel
        that is the same in all directions, and says nothing of others.
    """

    is_rotation_invariant: bool = True
    line: str = ":"
    kind = Kind.KERNEL

    @abc.abstractmethod
    def matrices(self, problem: KernelProblem) -> Matrices:
        """The kernel on the data of a problem."""

    @abc.abstractmethod
    def sections(self, limit: InfiniteNetwork, x: Array, points: Array) -> Array:
        """(m, n) values between inputs and training inputs; ``limit``: the network's kernels."""

    def exact_risk(self, problem: KernelProblem) -> ExactKernelRisk | None:
        """How to compute its exact risks, or None to use the test set."""
        del problem

    def is_in_sample_span(self, config: TrainingConfig) -> bool:
        """Whether R*(n) counts its kernel sections at the training inputs."""
        del config
        return self.is_rotation_invariant

    def family(self) -> tuple["KernelMethod", ...]:
        """The methods that are computed in one program with it, itself among them."""
        return (self,)

    def fit(self, problem: KernelProblem, ridge: Scalar) -> Regression:
        """Kernel regression at convergence.

        Args:
          problem: data and kernels.
          ridge: penalty (:mod:`rf_limits.regression.dense`).
        """
        methods = self.family()
        return problem.once((methods, ridge), lambda: _fits(methods, problem, ridge))[self.key]

    def flow(self, problem: KernelProblem, times: Times, ridge: Scalar) -> Risk:
        """Risks of gradient flow from zero with this kernel after each training time.

        On the test set its predictions are those of
        :func:`~rf_limits.optimization.infinite_width.flow_means`; where risks are exact,
        the same are written in the kernel sections at the training points, with coefficients
        (1 - exp(-(K + ridge) t/n))/(K + ridge) y.

        Args:
          problem: data and kernels.
          times: learning rate times steps.
          ridge: added to the kernel's diagonal.

        Returns:
          (T,) arrays.
        """
        methods = self.family()

        def compute() -> dict[str, Risk]:
            matrices = {method.key: method.matrices(problem) for method in methods}
            exact = self.exact_risk(problem)
            return flow_risks(methods, matrices, problem.data, times, ridge, exact)

        key = (methods, ridge, np.asarray(times).tobytes())
        return problem.once(key, compute)[self.key]

    def predictor(
        self, limit: InfiniteNetwork, points: Array, solution: Array
    ) -> Callable[[Array], Array]:
        """The function of (m, d) inputs that a fit at ``points`` found, from its ``solution``."""
        return lambda x: self.sections(limit, x, points) @ solution


def _fits(
    methods: Sequence[KernelMethod], problem: KernelProblem, ridge: Scalar
) -> dict[str, Regression]:
    matrices = {method.key: method.matrices(problem) for method in methods}
    y, exact = problem.data.y_train, methods[0].exact_risk(problem)
    fits = {key: solve_kernel(one.gram, y, ridge, one.error) for key, one in matrices.items()}
    return measured(tuple(methods), matrices, problem.data, fits, exact)


@partial(jit_quickly, static_argnums=(0, 4))
def measured(
    methods: tuple[KernelMethod, ...],
    matrices: dict[str, Matrices],
    data: Dataset,
    fits: dict[str, Fit],
    exact: ExactKernelRisk | None,
) -> dict[str, Regression]:
    """The fits of some methods with their training losses and risks."""

    def one(key: str) -> Regression:
        coefficients = fits[key].coefficients
        train_loss = mean_square(matrices[key].gram @ coefficients - data.y_train)
        if exact is not None:
            risks = exact.of(key, data.x_train, coefficients[None])
            risk = jax.tree.map(lambda leaf: leaf[0], risks)
        else:
            risk = sampled_risk(matrices[key].cross @ coefficients, data.y_test)
        return regression(fits[key], train_loss, risk, coefficients)

    return {method.key: one(method.key) for method in methods}


@partial(jit_quickly, static_argnums=(0, 5))
def flow_risks(
    methods: tuple[KernelMethod, ...],
    matrices: dict[str, Matrices],
    data: Dataset,
    times: Array,
    ridge: Scalar,
    exact: ExactKernelRisk | None,
) -> dict[str, Risk]:
    """Risks of some methods in time, as :meth:`KernelMethod.flow` says."""
    shift = ridge * jnp.eye(data.y_train.size)

    def one(key: str) -> Risk:
        gram, cross, _ = matrices[key]
        if exact is None:
            means = flow_means(gram, cross, data.y_train, times, ridge)
            return jax.vmap(lambda mean: sampled_risk(mean, data.y_test))(means)
        kernel = spectrum(gram + shift)
        at = jax.vmap(lambda time: flow_coefficients(kernel, data.y_train, time))
        return exact.of(key, data.x_train, at(times))

    return {method.key: one(method.key) for method in methods}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedKernel(KernelMethod):
    """Kernel regression with a function of two inputs: a subclass has nothing but that.

    Its risks are measured on the test set.
    """

    by_default: bool = False

    @abc.abstractmethod
    def kernel(self, left: Float[Array, "m d"], right: Float[Array, "n d"]) -> Float[Array, "m n"]:
        """The values k(x, z) between the rows of two sets of inputs, float64."""

    def matrices(self, problem: KernelProblem) -> Matrices:
        """The kernel on the data of a problem, right to rounding."""
        x, x_test = problem.data.x_train, problem.data.x_test
        return Matrices(_values(self, x, x), _values(self, x_test, x), np.zeros(()))

    def sections(self, limit: InfiniteNetwork, x: Array, points: Array) -> Array:
        """The kernel between inputs and training inputs, whatever the network."""
        del limit
        return _values(self, x, points)


@partial(jit_quickly, static_argnums=0)
def _values(method: FixedKernel, left: Array, right: Array) -> Array:
    return method.kernel(left, right)
