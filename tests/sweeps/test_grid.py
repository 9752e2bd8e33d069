"""From a sweep to its cells: every combination once, named, typed, refused where it cannot be."""

import re

import pytest

from rf_limits import default_config
from rf_limits.config import short_names
from rf_limits.config.training import TrainingConfig
from rf_limits.errors import RequirementError
from rf_limits.sweeps.grid import cells_of, parse_axis, sweep
from rf_limits.sweeps.launch import add_axes
from rf_limits.sweeps.manifest import SweepStore


def config_with(**arguments):
    config = default_config()
    config.sweep = sweep(**arguments)
    return config


def test_grid_and_zipped_lists_multiply():
    cells = cells_of(
        config_with(
            grid={"problem.dim": (5, 10, 20), "predictors.ridge": (0.0, 1.0)},
            zipped=[{"data.num_train": (64, 128), "training.steps": (10, 20)}],
        )
    )
    assert len(cells) == 12
    assert len({cell.name for cell in cells}) == 12
    pairs = {(cell.config.data.num_train, cell.config.training.steps) for cell in cells}
    assert pairs == {(64, 10), (128, 20)}
    assert [cell.config.problem.dim for cell in cells] == [5] * 4 + [10] * 4 + [20] * 4
    assert all(isinstance(cell.config, TrainingConfig) for cell in cells)
    assert all(cell.config.seeds == 3 for cell in cells)


def test_names_hold_parameters_and_a_hash():
    config = config_with(grid={"model.lazy_scales": ((0.1, 1.0), (10.0,)), "seeds": (2,)})
    first, second = cells_of(config)
    assert re.fullmatch(r"lazy_scales=0\.1\+1,seeds=2-[0-9a-f]{8}", first.name)
    assert second.name.startswith("lazy_scales=10,seeds=2-")
    config.problem.noise = 0.5
    again = cells_of(config)[0]
    assert again.name != first.name
    assert again.name[:-8] == first.name[:-8]


def test_no_sweep_is_one_cell():
    (cell,) = cells_of(default_config())
    assert cell.name.startswith("run-")
    assert cell.fields == {}


def test_short_names_tell_apart():
    names = ["problem.seed", "data.seed", "problem.dim"]
    assert short_names(names) == {
        "problem.seed": "problem.seed",
        "data.seed": "data.seed",
        "problem.dim": "dim",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": {"problem.dimm": (1, 2)}}, "'problem.dimm'. Did you mean problem.dim?"),
        (
            {"grid": {"problem.dim": (5, "x")}},
            "sweep: problem.dim must be a whole number of at least 1, but received 'x'",
        ),
        ({"grid": {"problem.dim": (5, 5)}}, "hold each combination once"),
        ({"zipped": [{"seeds": (1, 2), "problem.dim": (1,)}]}, "have lists of one length"),
        ({"grid": {"seeds": (1,)}, "zipped": [{"seeds": (1,)}]}, "name each field once"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(RequirementError, match=re.escape(message)):
        cells_of(config_with(**arguments))


def test_axes_of_the_command_line():
    assert parse_axis("problem.dim=(5,10)", "--grid") == (("problem.dim", (5, 10)),)
    found = parse_axis("data.num_train=(64,128);problem.target=('teacher','x')", "--zip")
    assert found == (("data.num_train", (64, 128)), ("problem.target", ("teacher", "x")))
    for text in ("problem.dim", "problem.dim=5", "problem.dim=(5,", "problem.dim=()"):
        with pytest.raises(RequirementError, match='--grid must be like "problem.dim'):
            parse_axis(text, "--grid")


def test_a_learning_rate_is_a_number_and_widths_need_parentheses():
    config = default_config()
    config.sweep = sweep(grid={"training.learning_rate": (0.01, "auto")})
    rates = [cell.config.training.learning_rate for cell in cells_of(config)]
    assert rates == [0.01, "auto"]
    config.sweep = sweep(grid={"model.widths": (16, 32)})
    with pytest.raises(RequirementError, match=r"in parentheses, as \(16,\)"):
        cells_of(config)


@pytest.mark.parametrize(
    ("grid", "zipped"),
    [
        (["problem.noise=(0.0,0.1)", "problem.noise=(0.2,0.3)"], []),
        (["problem.noise=(0.0,0.1);problem.noise=(0.2,0.3)"], []),
        ([], ["problem.noise=(0.0,0.1);problem.noise=(0.2,0.3)"]),
        (["problem.noise=(0.0,0.1)"], ["problem.noise=(0.2,0.3);seeds=(1,2)"]),
    ],
)
def test_a_field_twice_on_the_command_line(grid, zipped):
    """Only the values given last were kept."""
    with pytest.raises(RequirementError, match=re.escape("once, but received ['problem.noise']")):
        add_axes(default_config(), grid, zipped)
    whole = default_config()
    add_axes(whole, ["problem.noise=(0.0,0.1);seeds=(1,2)"], [])
    assert len(cells_of(whole)) == 4


SPELLINGS = {
    "problem.noise": (0.0, -0.0),
    "model.lazy_scales": ((1, 2.5), (1.0, 2.5)),
    "training.learning_rate": (0.01, "1e-2"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_one_cell_in_two_spellings(name, tmp_path):
    """Both ran; beside an earlier sweep too, and counted as two where runs are compared."""
    one, other = SPELLINGS[name]
    with pytest.raises(RequirementError, match="hold each combination once"):
        cells_of(config_with(grid={name: (one, other)}))
    before, after = (cells_of(config_with(grid={name: (value,)})) for value in (one, other))
    store = SweepStore(tmp_path / "sweep")
    store.claim(before, extend=False)
    assert [cell.name for cell in store.claim(after, extend=True)] == [before[0].name]
    assert len(store.cells()) == 1


def test_what_differs_is_no_spelling():
    cells = cells_of(
        config_with(grid={"problem.seed": (2**53, 2**53 + 1), "problem.noise": (1e-300, 0.0)})
    )
    assert len({cell.config for cell in cells}) == 4
