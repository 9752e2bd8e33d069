"""Fields of configs that are of another type than they must be."""

import pytest

from rf_limits.errors import RequirementError
from rf_limits.experiments.fields import check_fields, config_fields
from rf_limits.runs.run import EXPERIMENTS, default_of


def _names_of_tuples():
    for experiment in EXPERIMENTS:
        default = default_of(experiment)
        for field, value in config_fields(default).items() if default is not None else ():
            if isinstance(value, tuple) and any(isinstance(one, str) for one in value):
                yield experiment, field


@pytest.mark.parametrize(("experiment", "field"), list(_names_of_tuples()))
@pytest.mark.parametrize("entry", [True, 1.5, ("relu",), None])
def test_entries_that_are_no_names(experiment, field, entry):
    config, default = default_of(experiment), default_of(experiment)
    config.update_from_flattened_dict({field: (*config_fields(default)[field], entry)})
    with pytest.raises(RequirementError, match=f"^{field} must hold names, but received"):
        check_fields(config, default)
