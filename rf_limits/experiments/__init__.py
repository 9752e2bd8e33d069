"""Places from which config files of earlier versions import: they go on running unchanged.

New files take ``default_config("lazy_width")`` from :mod:`rf_limits`.
"""

import sys
from collections.abc import Callable
from types import ModuleType

from rf_limits.config import Builder

_PLACES = {
    "approximation": ("approximation",),
    "defaults": ("default", "approximation", "hardness"),
    "dynamics": (),
    "dynamics.configs": ("lazy_width", "lazy_scale", "ntk_curves", "chizat", "single_neuron"),
    "hardness": ("hardness",),
    "large": (),
    "large.configs": ("large",),
    "power": (),
    "power.configs": ("coupling", "polynomials"),
    "samples": (),
    "samples.configs": ("sample_complexity",),
}
"""By module, the functions that it had: each name with ``_config`` behind it."""


def _function(name: str) -> Callable[..., Builder]:
    def config(variant: str = "") -> Builder:
        from rf_limits.studies import default_config
        from rf_limits.studies.chizat import Chizat

        made = default_config("training" if name == "default" else name)
        if variant == "full":  # of one study alone
            made.update(Chizat.paper)
        return made

    return config


for _path, _names in _PLACES.items():
    _module = sys.modules[f"{__name__}.{_path}"] = ModuleType(f"{__name__}.{_path}")
    for _name in _names:
        setattr(_module, f"{_name}_config", _function(_name))
