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
      results: of computations that were asked for already, by their keys.
    """

    data: Dataset
    limit: InfiniteNetwork
    exact: ExactKernelRisk | None = None
    results: dict[Hashable, Any] = dataclasses.field(default_factory=dict, repr=False)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """Returns ``compute()``, which is called the first time that ``key`` is asked for."""
        if key not in self.results:
            self.results[key] = compute()
        return self.results[key]

    @cached_property
    def grams(self) -> Kernels:
        """Returns the (n, n) kernels of the network on the training inputs."""
        return network_kernels(self.limit, self.data.x_train)

    @cached_property
    def crosses(self) -> Kernels:
        """Returns the (m, n) kernels of the network between test and training inputs."""
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
    error: Float[Array, ""]


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
        """Returns the kernel on the data of a problem."""

    @abc.abstractmethod
    def sections(self, limit: InfiniteNetwork, x: Array, points: Array) -> Array:
        """Returns the kernel's values between inputs and training inputs.

        Args:
          limit: the infinitely wide network.
          x: (m, d) inputs.
          points: (n, d) training inputs.

        Returns:
          (m, n) values.
        """

    def exact_risk(self, problem: KernelProblem) -> ExactKernelRisk | None:
        """Returns how to compute the method's exact risks, or None to use the test set."""
        del problem
        return None

    def is_in_sample_span(self, config: TrainingConfig) -> bool:
        """Returns whether R*(n) counts its kernel sections at the training inputs."""
        del config
        return self.is_rotation_invariant

    def family(self) -> tuple["KernelMethod", ...]:
        """Returns the methods that are computed in one program with it, itself among them."""
        return (self,)

    def fit(self, problem: KernelProblem, ridge: Scalar) -> Regression:
        """Returns kernel regression at convergence.

        Args:
          problem: data and kernels.
          ridge: penalty (:mod:`rf_limits.regression.dense`).
        """
        methods = self.family()
        return problem.once((methods, ridge), lambda: _fits(methods, problem, ridge))[self.key]

    def flow(self, problem: KernelProblem, times: Times, ridge: Scalar) -> Risk:
        """Returns risks of gradient flow from zero with this kernel after each training time.

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
            return flow_risks(methods, matrices, problem.data, jnp.asarray(times), ridge, exact)

        key = (methods, ridge, np.asarray(times).tobytes())
        return problem.once(key, compute)[self.key]

    def predictor(
        self, limit: InfiniteNetwork, points: Array, solution: Array
    ) -> Callable[[Array], Array]:
        """Returns the function of (m, d) inputs that a fit at ``points`` ended with."""
        return lambda x: self.sections(limit, x, points) @ solution


def _fits(
    methods: Sequence[KernelMethod], problem: KernelProblem, ridge: Scalar
) -> dict[str, Regression]:
    matrices = {method.key: method.matrices(problem) for method in methods}
    y, exact = problem.data.y_train, methods[0].exact_risk(problem)
    fits = {key: solve_kernel(gram, y, ridge, error) for key, (gram, _, error) in matrices.items()}
    return measured(tuple(methods), matrices, problem.data, fits, exact)


@partial(jit_quickly, static_argnums=(0, 4))
def measured(
    methods: tuple[KernelMethod, ...],
    matrices: dict[str, Matrices],
    data: Dataset,
    fits: dict[str, Fit],
    exact: ExactKernelRisk | None,
) -> dict[str, Regression]:
    """Returns the fits of some methods with their training losses and risks."""

    def reported(key: str) -> Regression:
        (gram, cross, _), coefficients = matrices[key], fits[key].coefficients
        train_loss = mean_square(gram @ coefficients - data.y_train)
        if exact is not None:
            risks = exact.of(key, data.x_train, coefficients[None])
            risk = jax.tree.map(lambda leaf: leaf[0], risks)
        else:
            assert cross is not None  # risks are sampled
            risk = sampled_risk(cross @ coefficients, data.y_test)
        return regression(fits[key], train_loss, risk, coefficients)

    return {method.key: reported(method.key) for method in methods}


@partial(jit_quickly, static_argnums=(0, 5))
def flow_risks(
    methods: tuple[KernelMethod, ...],
    matrices: dict[str, Matrices],
    data: Dataset,
    times: Array,
    ridge: Scalar,
    exact: ExactKernelRisk | None,
) -> dict[str, Risk]:
    """Returns risks of some methods in time, as :meth:`KernelMethod.flow` says."""
    shift = ridge * jnp.eye(data.y_train.size)

    def risk_of(key: str) -> Risk:
        gram, cross, _ = matrices[key]
        if exact is None:
            assert cross is not None  # risks are sampled
            means = flow_means(gram, cross, data.y_train, times, ridge)
            return jax.vmap(lambda mean: sampled_risk(mean, data.y_test))(means)
        kernel = spectrum(gram + shift)
        at = jax.vmap(lambda time: flow_coefficients(kernel, data.y_train, time))
        return exact.of(key, data.x_train, at(times))

    return {method.key: risk_of(method.key) for method in methods}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedKernel(KernelMethod):
    """Kernel regression with a function of two inputs: a subclass has nothing but that.

    Its risks are measured on the test set.
    """

    by_default: bool = False

    @abc.abstractmethod
    def kernel(self, left: Float[Array, "m d"], right: Float[Array, "n d"]) -> Float[Array, "m n"]:
        """Returns the values k(x, z) between the rows of two sets of inputs, float64."""

    def matrices(self, problem: KernelProblem) -> Matrices:
        """Returns the kernel on the data of a problem, right to rounding."""
        x, x_test = problem.data.x_train, problem.data.x_test
        return Matrices(_values(self, x, x), _values(self, x_test, x), jnp.zeros(()))

    def sections(self, limit: InfiniteNetwork, x: Array, points: Array) -> Array:
        """Returns the kernel between inputs and training inputs, whatever the network."""
        del limit
        return _values(self, x, points)


@partial(jit_quickly, static_argnums=0)
def _values(method: FixedKernel, left: Array, right: Array) -> Array:
    return method.kernel(left, right)
