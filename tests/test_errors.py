"""Refusals and remarks: the text is made in one place, from parts that programs can read."""

import pickle

import pytest

from rf_limits.errors import RequirementError, check, check_choice
from rf_limits.remarks import Remark
from rf_limits.studies.lazy_width import LazyWidth


def refusal(function, *arguments):
    with pytest.raises(RequirementError) as refused:
        function(*arguments)
    return refused.value


def test_checks_name_the_field():
    error = refusal(check, False, "problem.dim", "be at least 1", 0)
    assert error.field == "problem.dim"
    assert str(error) == "problem.dim must be at least 1, but received 0."
    error = refusal(check_choice, "rlu", ("relu", "erf"), "model.activation")
    assert error.field == "model.activation"
    expected = "model.activation must be one of erf, relu, but received 'rlu'. Did you mean 'relu'?"
    assert str(error) == expected


def test_a_line_about_no_single_value():
    error = RequirementError("--workdir must be empty.")
    assert (error.field, str(error)) == ("", "--workdir must be empty.")


def test_refusals_pass_between_processes():
    error = RequirementError("must be positive.", field="seeds")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.field) == ("seeds must be positive.", "seeds")


def test_a_value_that_the_user_knows_by_another_name():
    error = RequirementError("must be positive.", field="data.num_train").renamed("nums_train")
    assert (error.field, str(error)) == ("nums_train", "nums_train must be positive.")


@pytest.mark.parametrize(
    ("field", "value", "source", "line"),
    [
        ("data.num_train", 0, "nums_train", "nums_train must be"),
        ("data.num_train", 10**9, "nums_train", "nums_train must fit in memory: about"),
        ("seeds", 0, "nums_train", "seeds must be"),
    ],
)
def test_a_study_names_its_own_field(field, value, source, line):
    def checked():
        LazyWidth().member({"n": 1}, {field: value}, {"data.num_train": source}).check()

    assert str(refusal(checked)).startswith(line)


def test_remarks_say_what_needs_attention():
    line = Remark("2 networks have no finite risk.", "DIVERGED")
    assert line == "DIVERGED: 2 networks have no finite risk."
    assert (line.topic, line.level) == ("DIVERGED", "warning")
    assert Remark("NTK: distance ~ N^-0.5.").level == "note"
    assert Remark("failed cell: no memory", level="warning") == "failed cell: no memory"
    again = pickle.loads(pickle.dumps(line))
    assert (again, again.topic, again.level) == (line, line.topic, line.level)
