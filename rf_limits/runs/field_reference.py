"""The field reference of the documents: every field of every config, from its definition.

``python -m rf_limits.runs.field_reference > docs/fields.md`` writes it again.
"""

from collections.abc import Iterable

from rf_limits.config.base import Field
from rf_limits.config.training import TrainingConfig
from rf_limits.studies import EXPERIMENTS, Study

_INTRODUCTION = """# Fields of configs

Made from the definitions of the fields by `python -m rf_limits.runs.field_reference`. A field is
assigned in a config file (`config.problem.dim = 15`), in Python, or on the command line
(`--config.problem.dim=15`); `--help` beside `--config=FILE` prints the fields of that file with the
values that they have there. Text on the command line is read as the field's type asks: `None`,
`True`, `"(32, 128)"`. Of several values for one field the last counts."""
_ABSENT = object()
_HEAD = "| field | values | default | meaning |\n|---|---|---|---|"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def _row(field: Field) -> str:
    unit = f" ({field.unit})" if field.unit else ""
    values, meaning = _escaped(field.values), _escaped(field.meaning + unit)
    return f"| `{field.name}` | {values} | `{field.value!r}` | {meaning} |"


def _section(name: str, meaning: str, fields: Iterable[Field]) -> str:
    return "\n".join([f"## {name}", "", meaning, "", _HEAD, *map(_row, fields)])


def reference() -> str:
    """Returns the page, in Markdown."""
    training = list(TrainingConfig().options())
    parts = [_INTRODUCTION]
    for name, kind in EXPERIMENTS.items():
        fields = [field for field in kind().options() if field.name != "experiment"]
        meaning = kind.about()
        if issubclass(kind, Study):
            shared = {field.name: field.value for field in training}
            fields = [field for field in fields if shared.get(field.name, _ABSENT) != field.value]
            meaning += " Fields of its own, and those of training with another default:"
        parts.append(_section(name, meaning, fields))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
