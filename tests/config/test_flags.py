"""A config on the command line: the last of several wins, None can be said, and mistakes."""

import pytest
from absl import flags

from rf_limits.config import frozen
from rf_limits.config.flags import ConfigFlag
from rf_limits.config.training import TrainingConfig
from rf_limits.errors import RequirementError

FILE = """from rf_limits import default_config


def get_config(variant="none"):
    config = default_config()
    config.problem.dim = {"small": 3}.get(variant, 7)
    return config
"""


@pytest.fixture
def parse(tmp_path):
    """Reads a command line with a config file, and returns the config and the other words."""
    path = tmp_path / "config.py"
    path.write_text(FILE)
    flag = ConfigFlag()

    def parsed(*words, file=f"{path}"):
        rest = flags.FLAGS(flag.take(["train.py", f"--config={file}", *words]))
        flag.load()
        return frozen(flag.value), rest[1:]

    yield parsed
    delattr(flags.FLAGS, "config")
    flags.FLAGS.unparse_flags()


def test_overrides_of_every_type(parse):
    config, rest = parse(
        "--config.model.widths=(8,)",
        "--config.model.widths=(16,)",
        "--config.data.seed=None",
        "--config.training.batch_size=4",
        "-config.training.batch_size=None",
        "--config.measure.kernels",
        "--noconfig.measure.exact",
        "--config.model.bias=TRUE",
        "--config.problem.norm=1e-3",
        "--config.problem.seed",
        "12",
        "--config.problem.bias",
        "-0.5",
        "--config.training.optimizer=sgd(momentum=0.9)",
        "--config.training.learning_rate=0.1,1,10",
        "--config.predictors.methods=('network',)",
        "word",
    )
    assert rest == ["word"]
    assert config.model.widths == (16,)
    assert config.data.seed is None
    assert config.training.batch_size is None
    assert (config.measure.kernels, config.measure.exact, config.model.bias) == (True, False, True)
    assert (config.problem.norm, config.problem.seed, config.problem.bias) == (1e-3, 12, -0.5)
    assert config.training.optimizer == "sgd(momentum=0.9)"
    assert config.training.learning_rate == (0.1, 1.0, 10.0)
    assert config.predictors.methods == ("network",)
    assert config.problem.dim == 7


def test_a_variant_is_passed_to_the_file(parse, tmp_path):
    assert parse(file=f"{tmp_path / 'config.py'}:small")[0].problem.dim == 3


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("--config.seeds=2.0", "--config.seeds must be a whole number of at least 1"),
        ("--config.model.widths=256", '--config.model.widths must be a non-empty tuple, as in "('),
        ("--config.model.wdths=(8,)", "Did you mean --config.model.widths?"),
        ("--config.model=8", "--config.model must be a section"),
        ("--config.training.steps", "--config.training.steps must be .* but received 'True'"),
        ("--noconfig.measure.exact=1", "must be given without a value"),
        ("--config.problem.norm=0", "--config.problem.norm must be finite and above 0"),
        ("--config.precision=float16", "must be one of float32, float64, .*'float64'"),
    ],
)
def test_mistakes_are_one_line(parse, word, line):
    with pytest.raises(RequirementError, match=line.replace("(", r"\(").replace("?", r"\?")) as one:
        parse(word)
    assert "\n" not in str(one.value)


def test_overrides_need_a_file(parse):
    flag = ConfigFlag.__new__(ConfigFlag)
    flag.value, flag._overrides = None, []
    flags.FLAGS(flag.take(["train.py", "--config.seeds=2"]))
    with pytest.raises(RequirementError, match=r"--config\.seeds must come with --config"):
        flag.load()


def test_help_prints_every_field(parse, tmp_path):
    lines = ConfigFlag.__new__(ConfigFlag).help(["train.py", f"--config={tmp_path / 'config.py'}"])
    assert len(lines) == len(list(TrainingConfig().options()))
    assert any("--config.problem.dim: d, dimension" in one and "(here 7)" in one for one in lines)
