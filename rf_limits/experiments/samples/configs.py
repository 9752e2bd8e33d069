"""Every field and default of the studies of samples."""

import dataclasses
from typing import Literal

from rf_limits.config import Builder, option, section, with_default
from rf_limits.config.kinds import Several, Sized, Whole
from rf_limits.experiments.config import MeasureFields, ModelFields, StepFields, TrainingConfig


@dataclasses.dataclass(frozen=True)
class SampleComplexityConfig(TrainingConfig):
    """Risk against the number of samples, for every learner, at several dimensions."""

    experiment: str = with_default(TrainingConfig, "experiment", "sample_complexity")
    dims: Several[Sized] = option((10, 20), "d, dimensions to compare")
    nums_train: Several[Whole] = option(
        (16, 32, 64, 128, 256, 512, 1024), "n, numbers of samples to compare"
    )
    precision: Literal["float32", "float64"] = with_default(TrainingConfig, "precision", "float64")
    # feature learning, lazy
    model: ModelFields = section(ModelFields, widths=(256,), lazy_scales=(0.1, 10.0))
    training: StepFields = section(StepFields, log_points=2)
    measure: MeasureFields = section(MeasureFields, max_degree=-1, num_probe=16)
    seeds: Whole = with_default(TrainingConfig, "seeds", 5)


def sample_complexity_config() -> Builder[SampleComplexityConfig]:
    """Returns a fresh :class:`SampleComplexityConfig`."""
    return Builder(SampleComplexityConfig)
