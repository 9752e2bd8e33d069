"""Spectra of the infinite-width kernels of bias-free ReLU networks."""

import dataclasses
from typing import TypeVar

import numpy as np

from rf_limits.errors import check, check_choice
from rf_limits.models.network import TRAINABLE, OneHiddenLayer
from rf_limits.theory.spectra.kernel_spectrum import relu_kernel_spectrum
from rf_limits.theory.spectra.spectrum import ZonalSpectrum

Number = TypeVar("Number", float, np.ndarray)


def has_zonal_kernels(network: OneHiddenLayer) -> bool:
    """Returns whether the network's kernels are |x||x'| h(cos theta): relu, no biases."""
    return network.activation == "relu" and not network.use_bias


def zonal_kernels(
    network: OneHiddenLayer, dim: int, max_degree: int, trainable: str = "both"
) -> dict[str, ZonalSpectrum]:
    """Returns the spectra of h for the kernels |x||x'| h(cos theta) of ``infinite_width_kernels``.

    With K_1 and K_0 as in :func:`rf_limits.theory.relu_kernel_spectrum` the NNGP kernel has
    h = K_1/d. The output layer's part of the NTK is the same, the hidden layer's c K_0/d; in
    standard parameterization N K_1/d and c K_0, in mean field all kernels are divided by N, in
    muP the NNGP is divided by N and the parts of the NTK are K_1/d and c K_0.

    Args:
      network: the architecture.
      dim: dimension d >= 2.
      max_degree: largest degree K.
      trainable: layers whose parameters move, for the NTK.

    Returns:
      For "nngp" and "ntk", a :class:`ZonalSpectrum`.

    Raises:
      RequirementError: biases, another activation than relu, unknown ``trainable``.
    """
    check(has_zonal_kernels(network), "network", "be relu without biases", network)
    check_choice(trainable, TRAINABLE, "model.trainable")
    width = network.width
    scale = 1.0 / width if network.parameterization in ("mean_field", "mup") else 1.0
    output, hidden = {
        "ntk": (1.0 / dim, 1.0 / dim),
        "standard": (width / dim, 1.0),
        "mean_field": (scale / dim, scale / dim),
        "mup": (1.0 / dim, 1.0),
    }[network.parameterization]
    output *= trainable in ("output", "both")
    hidden *= trainable in ("hidden", "both") and network.output_init != "zero"
    first, both = (relu_kernel_spectrum(name, dim, max_degree) for name in ("nngp", "ntk"))
    nngp, ntk = (_combined(first, both, *of) for of in ((scale / dim, 0.0), (output, hidden)))
    return {"nngp": nngp, "ntk": ntk}


def _combined(
    first: ZonalSpectrum, both: ZonalSpectrum, output: float, hidden: float
) -> ZonalSpectrum:
    """Returns output K_1 + hidden c K_0; c K_0 is the difference of the two at hand."""

    def mix(nngp: Number, ntk: Number) -> Number:
        return output * nngp + hidden * (ntk - nngp)

    with np.errstate(divide="ignore"):
        logs = np.log(mix(first.eigenvalues, both.eigenvalues))
    return dataclasses.replace(
        both,
        log_eigenvalues=logs,
        total=mix(first.total, both.total),
        tail=mix(first.tail, both.tail),
        tail_error=mix(first.tail_error, both.tail_error),
    )
