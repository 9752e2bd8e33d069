"""Config files: what earlier versions' files hold, and what no file may."""

import pytest

from rf_limits.config.files import ConfigFile
from rf_limits.errors import RequirementError
from rf_limits.sweeps.grid import cells_of

OLD = {
    "approximation": """
from rf_limits.experiments.defaults import approximation_config

def get_config():
    return approximation_config()
""",
    "hardness": """
from rf_limits.experiments.defaults import hardness_config

def get_config():
    return hardness_config()
""",
    "lazy_width": """
from rf_limits.experiments.dynamics.configs import lazy_width_config

def get_config():
    return lazy_width_config()
""",
    "training": """
from rf_limits.experiments.defaults import default_config
from rf_limits.sweeps import sweep

def get_config():
    config = default_config()
    config.training.learning_rate = "0.1,1,10"
    with config.unlocked():
        config.sweep = sweep(grid={"problem.dim": (5, 10)})
    return config
""",
}


@pytest.mark.parametrize("experiment", OLD)
def test_files_of_earlier_versions_run_unchanged(tmp_path, experiment):
    path = tmp_path / "config.py"
    path.write_text(OLD[experiment])
    config = ConfigFile(str(path)).load()
    assert config.experiment == experiment
    assert len(cells_of(config)) == (2 if experiment == "training" else 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("get_config = 3", "TypeError: 'int' object is not callable"),
        ("def get_config():\n    return {}", "returns a config, .* but received {}"),
        ("def make():\n    return {}", "must be a file that defines get_config"),
        ("raise ValueError('no')", "line 1 raises ValueError: no"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, text, line):
    path = tmp_path / "config.py"
    path.write_text(text)
    with pytest.raises(RequirementError, match=line) as error:
        ConfigFile(str(path)).load()
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("--config must")


def test_the_line_of_a_mistake_in_a_file_is_named(tmp_path):
    path = tmp_path / "config.py"
    path.write_text(OLD["training"].replace('"0.1,1,10"', '"fast"'))
    with pytest.raises(RequirementError, match=rf"learning_rate must .* \({path}, line 7\)$"):
        ConfigFile(str(path)).load()
