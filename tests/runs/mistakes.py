"""A grammar of mistakes: command lines and config files that no script can carry out.

A mistake is made from a script, one of its configs, a field and a way to get it wrong; what the
answer must name goes with it. The fields and their types are those of the configs themselves, so
that a new field takes part without being listed here.
"""

import functools
import random
from typing import Any, NamedTuple

from rf_limits.config import flat, frozen
from rf_limits.config.files import ConfigFile
from tests.in_process import ROOT

CONFIGS = {
    "train": ("quickstart",),
    "dynamics": ("lazy_width", "lazy_scale", "ntk_curves", "chizat", "single_neuron"),
    "samples": ("sample_complexity",),
    "power": ("polynomials", "coupling"),
    "limits": ("approximation", "hardness"),
    "large": ("large",),
    "launch": ("quickstart", "lazy_width", "large"),
}
"""By script: configs it is for."""

REPLACED = {
    "lazy_width": ("model.parameterization", "model.activation"),
    "lazy_scale": ("data.num_train",),
    "ntk_curves": ("data.kind",),
    "chizat": ("training.learning_rate", "training.batch_size", "model.lazy_scales"),
    "single_neuron": ("problem.dim", "data.kind", "data.num_train", "measure.num_probe"),
    "sample_complexity": ("problem.dim", "data.num_train"),
    "coupling": ("model.trainable", "model.output_init", "predictors.methods"),
    "polynomials": (
        "model.trainable",
        "model.output_init",
        "predictors.methods",
        "data.num_train",
        "problem.target",
        "problem.degree",
        "problem.polynomial",
        "problem.norm",
    ),
}
"""By config: fields of training runs in whose place a study puts its own; any value will do."""

NEGATIVE = ("problem.bias",)
ZERO = (
    "problem.degree",
    "problem.seed",
    "data.seed",
    "problem.bias",
    "problem.noise",
    "predictors.ridge",
    "ridge",
    "norm_exponent",
    "measure.max_degree",
    "measure.eigenvalues",
    "population.max_degree",
)
"""Fields that may be negative, or zero."""
UNBOUNDED = (
    *("seed", "steps", "max_steps", "max_iterations", "mesh"),
    *("num_probe", "log_points", "neurons", "degree", "kernel_points"),
)
"""Whole numbers, by their section or the end of their name, that may be as large as one likes:
probes and kernel points are of the training inputs, log points of the steps, and these targets
are no teachers or polynomials."""


_AS_RATES = {"1,2,3,4,5,6,7": "1.0, 2.0, 3.0"}
"""Texts that are read as learning rates, which answers show."""


class Mistake(NamedTuple):
    """A command line that must be refused.

    Attributes:
      script: which is called.
      arguments: of it; ``{configs}`` is the folder of configs, ``{files}`` one with the files of
        :mod:`tests.runs.more_mistakes`, ``{new}`` a directory that is not there.
      named: texts that the answer must contain: field, value, requirement.
      kinds: what it is an example of, such as the script, or a type of fields and a way to get
        one of them wrong; see :func:`examples`.
    """

    script: str
    arguments: tuple[str, ...]
    named: tuple[str, ...]
    kinds: tuple[Any, ...] = ()


def with_config(
    script: str, config: str, *arguments: str, named: tuple[str, ...], kinds: tuple[Any, ...] = ()
) -> Mistake:
    """A mistake in the arguments beside a config and a new work directory."""
    first = (f"--config={{configs}}/{config}.py", "--workdir={new}")
    return Mistake(script, (*first, *arguments), named, kinds)


def examples(mistakes: list[Mistake]) -> list[Mistake]:
    """A few of the mistakes, among which there is one of every kind; the same every time.

    In an order drawn once, each that is the first of one of its kinds is taken.
    """
    found, seen = [], set()
    for mistake in random.Random(0).sample(mistakes, len(mistakes)):
        if not seen.issuperset(mistake.kinds):
            found.append(mistake)
            seen.update(mistake.kinds)
    return found


@functools.cache
def fields_of(config: str) -> dict[str, Any]:
    """Fields of a config file, by dotted name."""
    return flat(frozen(ConfigFile(str(ROOT / "configs" / f"{config}.py")).load()))


def _slips(name: str) -> dict[str, list[str]]:
    """Names one slip away: a letter left out, doubled, exchanged with the next."""
    letters = [i for i in range(1, len(name) - 1) if name[i - 1 : i + 2].isalpha()]
    found = {
        "left out": [name[:i] + name[i + 1 :] for i in letters],
        "doubled": [name[: i + 1] + name[i:] for i in letters],
        "exchanged": [name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in letters],
    }
    return {slip: [one for one in names if one != name] for slip, names in found.items()}


def _typos(name: str) -> list[str]:
    """The same in one list."""
    return [one for names in _slips(name).values() for one in names]


def misspelled(config: str) -> list[tuple[str, tuple[str, ...], str]]:
    """Overrides of fields that are not there: the argument, what is named, the kind of slip."""
    known = fields_of(config)
    sections = {name.rpartition(".")[0] for name in known} - {""}
    found = [(f"{section}.unheard_of", "of a section") for section in sections]
    found += [("unheard_of", "of no section"), ("no.such.field", "of no section")]
    for name in known:
        for slip, typos in _slips(name).items():
            found += [(typo, slip) for typo in typos if typo not in known]
        found.append((f"{name}.more", "beyond a field"))
    return [(f"--config.{name}=1", (f"config.{name}",), slip) for name, slip in found]


def _of_numbers(name: str, whole: bool) -> list[str]:
    """Texts that are no value of a numeric field."""
    found = ["-7", "-1000000"] if name not in NEGATIVE else []
    found += ["-1"] if name not in (*NEGATIVE, "measure.max_degree") else []
    found += ["0"] if name not in ZERO else []
    found += ["abc", "", "(1,)", "[2]", "1,5", "1e", "0x", "True", "--3", "1 2"]
    found += ["None"] if name != "data.seed" else []
    if whole:
        found += ["2.5", "1e3", "nan", "inf"]
        section, _, last = name.rpartition(".")
        bounded = not {last, section} & set(UNBOUNDED)
        found += ["1000000000000", "123456789012345678"] if bounded else []
    else:
        found += ["nan", "inf", "-inf", "NaN", "1e999", "-1e999", "1e-", "-0.5"][: 8 - 1]
        found += ["-0.5", "-1e-300"] if name not in NEGATIVE else []
    return found


def _of_names(name: str, value: str) -> list[str]:
    """Texts that are no value of a field of names."""
    if name == "training.optimizer":
        calls = ["sgd(0.9)", "sgd(", "sgd(momentun=0.9)", "adam(b1=)", "2*3", "sgd()()"]
        return [*calls, "sgdd", "admw", "", "lambda: 1", "sgd(momentum=x)"]
    if name == "training.learning_rate":
        return ["abc", "-1", "0", "nan", "inf", "", "auto,auto", "1,2,3,4,5,6,7", "autoo", "1;2"]
    return [*_typos(value)[:12], "", "None", "42", value.upper() + "_", "(1,)"]


def _of_tuples(name: str, value: tuple) -> list[tuple[str, str]]:
    """Texts that are no value of a field of tuples, and what of them is wrong."""
    whole = ["()", "(1, [2])", "((1, 2),)", "{'a': 1}", "(None,)", "(1j,)"]
    found = [(text, "a" if "'a'" in text else text.strip("(),")) for text in whole]
    if not value:  # names of measurements of the user's own, of which there is none
        return [("('norm',)", "norm"), ("norm", "norm"), ("(1,)", "1"), ("(", "(")]
    first = repr(value[0])
    found.append((f"({first}, {first})", first))
    if isinstance(value[0], str):
        names = [*_typos(value[0])[:12], "foo", "", "1"]
        found += [(f"('{one}',)", one) for one in names]
        return [*found, ("(1,)", "1"), ("(True,)", "True"), ("abc", "abc"), ("(", "(")]
    found += [("('a',)", "a"), ("(1, 'b')", "b"), ("abc", "abc"), ("(", "("), ("(1, 2", "(1, 2")]
    numbers = ["-1", "-12"] if name != "wave.biases" else []
    numbers += ["0"] if name != "wave.biases" else []
    numbers += ["2.5", "True"] if isinstance(value[0], int) else []
    numbers += ["1e999"] if isinstance(value[0], float) else []
    found += [(f"({one},)", one) for one in numbers]
    if isinstance(value[0], int):
        found.append(("(100000000000,)", "100000000000"))
    return found


def wrong_values(config: str) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Overrides with values that their fields cannot have.

    Each with what the answer must name, the type of the field, and what is wrong with the value:
    for numbers the value itself.
    """
    found = []
    for name, value in fields_of(config).items():
        if name in REPLACED.get(config, ()) or name.startswith("sweep"):
            continue
        last, typed = name.rpartition(".")[2], type(value).__name__
        if name == "training.learning_rate":
            texts = [(one, _AS_RATES.get(one, one)) for one in _of_names(name, value)]
        elif isinstance(value, bool):
            texts = [(one, one) for one in ("maybe", "2", "", "None", "0.5", "(True,)", "yess")]
        elif isinstance(value, int):
            texts = [(one, one) for one in _of_numbers(name, True)]
        elif isinstance(value, float):
            texts = [(one, one) for one in _of_numbers(name, False)]
        elif isinstance(value, str):
            texts = [(one, one) for one in _of_names(name, value)]
        elif isinstance(value, tuple):
            texts = _of_tuples(name, value)
            typed = f"tuple of {type(value[0]).__name__ if value else 'names'}"
        else:  # a placeholder of a number
            texts = [(one, one) for one in ("abc", "-3", "", "(1,)", "1,5", "nan")]
        first = value[0] if isinstance(value, tuple) and value else value
        special = {f"({first!r}, {first!r})": "twice", f"{str(first).upper()}_": "capitals"}
        special |= dict.fromkeys(_typos(str(first)), "a slip")
        for text, wrong in texts:
            if (config, last) in (("single_neuron", "dims"), ("single_neuron", "samples_per_dim")):
                wrong = wrong if len(wrong) < 12 else ""  # what is too large is their product
            kind = special.get(text, special.get(wrong, text))
            found.append((f"--config.{name}={text}", (last, wrong), typed, kind))
    return found


@functools.cache
def field_mistakes() -> list[Mistake]:
    """Every override that is wrong in its name or value, of every config of every script.

    Their kinds: script and config with the type of the field, or with the kind of slip in its
    name; the type with what is wrong with the value; the field.
    """
    found = []
    for script, configs in CONFIGS.items():
        for config in configs:
            for argument, named, typed, wrong in wrong_values(config):
                kinds = ((script, config, typed), (typed, wrong), named[0])
                found.append(with_config(script, config, argument, named=named, kinds=kinds))
            for argument, named, slip in misspelled(config):
                kinds = ((script, slip), (config, "a name"))
                found.append(with_config(script, config, argument, named=named, kinds=kinds))
    return found
