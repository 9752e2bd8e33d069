"""Networks, their fixed features, and their infinite-width kernels."""

from rf_limits.models.features import (
    HiddenState,
    hidden_state,
    kernel_from_states,
    random_features,
    tangent_features,
    tangent_kernel,
)
from rf_limits.models.infinite_width import (
    Ensemble,
    InfiniteNetwork,
    Kernels,
    gradient_flow_ensemble,
    infinite_width_kernels,
)
from rf_limits.models.network import (
    OneHiddenLayer,
    Params,
    as_relu_sum,
    init_params,
    linearized_relu_sum,
    make_network,
    tangent_relu_sum,
)
from rf_limits.models.scaled_network import ScaledNetwork, change_of, moved

__all__ = [
    "Ensemble",
    "HiddenState",
    "InfiniteNetwork",
    "Kernels",
    "OneHiddenLayer",
    "Params",
    "ScaledNetwork",
    "as_relu_sum",
    "change_of",
    "gradient_flow_ensemble",
    "hidden_state",
    "infinite_width_kernels",
    "init_params",
    "kernel_from_states",
    "linearized_relu_sum",
    "make_network",
    "moved",
    "random_features",
    "tangent_features",
    "tangent_kernel",
    "tangent_relu_sum",
]
