"""Sizes of everything the accelerator job does."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sizes:
    """One column of the table; :data:`FULL` fills an accelerator of 80 GB, :data:`TINY` nothing.

    Attributes:
      product: side of the square products whose rate is the peak.
      copy: bytes that are copied for the peak of the memory.
      ensemble: seeds, N and n of the ensemble of the table.
      large: seeds, N and n of the large one.
      large_steps: of it.
      at_once: networks stepped at once that are tried.
      kernel: n and N of the empirical NTK that Jacobians are contracted for.
      large_kernel: n and N of a large one.
      flow: n and number of times of predictions of infinite width.
      regression: n.
      features: N of random features.
      tiles: rows of the tiles that their Gram matrix is tried with.
      gradients: N of population-risk gradients.
      sweep: widths.
      sweep_steps: steps of every width.
      sweep_seconds: that one process of the sweep may take.
      dim: d of all of them.
    """

    product: int = 8192
    copy: int = 2**31
    ensemble: tuple[int, int, int] = (8, 1024, 512)
    large: tuple[int, int, int] = (64, 16384, 8192)
    large_steps: int = 5
    at_once: tuple[int, ...] = (1, 2, 4, 8, 16)
    kernel: tuple[int, int] = (512, 4096)
    large_kernel: tuple[int, int] = (8192, 16384)
    flow: tuple[int, int] = (3000, 20)
    regression: int = 8192
    features: int = 8192
    tiles: tuple[int, ...] = (512, 1024, 4096)
    gradients: tuple[int, ...] = (2048, 8192)
    sweep: tuple[int, ...] = (32, 256, 1024)
    sweep_steps: int = 2000
    sweep_seconds: float = 120.0
    dim: int = 20


FULL = Sizes()
TINY = Sizes(
    product=256,
    copy=2**20,
    ensemble=(2, 32, 16),
    large=(4, 64, 32),
    large_steps=2,
    at_once=(1, 2),
    kernel=(16, 32),
    large_kernel=(32, 64),
    flow=(64, 3),
    regression=1100,
    features=1100,
    tiles=(256, 1024),
    gradients=(64, 1100),
    sweep=(8,),
    sweep_steps=20,
)
