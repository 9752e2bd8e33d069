"""Mistakes beyond single fields: combinations, flags, config files, work directories, sweeps."""

import json
from typing import Any

from tests.runs.mistakes import CONFIGS, Mistake, with_config

_BASE = """from rf_limits import default_config
from rf_limits.sweeps import sweep


def get_config():
    config = default_config()
"""


def _sweep(text: str) -> str:
    return f"{_BASE}    config.sweep = {text}\n    return config\n"


RUN = {
    "config.json": json.dumps({"form": 3, "experiment": "training", "seeds": 77}),
    "run.json": json.dumps({"status": "complete"}),
}
FILES = {
    "syntax.py": "def get_config(:\n    return 1\n",
    "raises.py": "def get_config():\n    return 1 / 0\n",
    "raises_when_loaded.py": "import a_module_that_is_not_there\n",
    "empty.py": "",
    "no_return.py": "def get_config():\n    pass\n",
    "a_number.py": "def get_config():\n    return 3\n",
    "a_dict.py": "def get_config():\n    return {'experiment': 'training'}\n",
    "empty_config.py": "from rf_limits.config import Config\nget_config = Config\n",
    "needs_an_argument.py": "def get_config(variant):\n    return variant\n",
    "not_a_function.py": "get_config = 3\n",
    "typo.py": _BASE + "    config.problem.dimm = 5\n    return config\n",
    "no_section.py": _BASE + "    config.probelm.dim = 5\n    return config\n",
    "wrong_type.py": _BASE + "    config.problem.dim = 'five'\n    return config\n",
    "replaced.py": _BASE + "    config.problem = 'hard'\n    return config\n",
    "missing.py": _BASE + "    del config.problem.dim\n    return config\n",
    "missing_section.py": _BASE + "    del config.training\n    return config\n",
    "untyped.py": _BASE + "    config.seeds = 2.5\n    return config\n",
    "unknown.py": _BASE + "    config.experiment = 'trainings'\n    return config\n",
    "no_experiment.py": _BASE + "    del config.experiment\n    return config\n",
    "text.txt": "not Python at all {",
    "sweep_text.py": _sweep("'problem.dim=(1,2)'"),
    "sweep_typo.py": _sweep("sweep(grid={'problem.dimm': (1, 2)})"),
    "sweep_type.py": _sweep("sweep(grid={'problem.dim': ('a', 'b')})"),
    "sweep_value.py": _sweep("sweep(grid={'problem.dim': (5, 0)})"),
    "sweep_twice.py": _sweep("sweep(grid={'problem.dim': (5, 5)})"),
    "sweep_zip.py": _sweep("sweep(zipped=[{'seeds': (1, 2), 'problem.dim': (5,)}])"),
    "sweep_section.py": _sweep("sweep(grid={'problem': (1, 2)})"),
    "sweep_dict.py": _sweep("{'grid': ()}"),
    "a_file": "text",
    "other_files/notes.txt": "mine",
    **{f"other_run/{name}": text for name, text in RUN.items()},
    "damaged_config/config.json": '{"experiment": "trai',
    "damaged_config/run.json": RUN["run.json"],
    "list_config/config.json": "[1, 2]",
    "list_config/run.json": RUN["run.json"],
    "damaged_run/config.json": RUN["config.json"],
    "damaged_run/run.json": '{"status": ',
    "damaged_table/config.json": RUN["config.json"],
    "damaged_table/run.json": RUN["run.json"],
    "damaged_table/metrics.parquet": "PAR1 and nothing more",
    "no_table/config.json": RUN["config.json"],
    "no_table/run.json": RUN["run.json"],
    "unfinished/config.json": RUN["config.json"],
    "unfinished/run.json": json.dumps({"status": "interrupted"}),
    "damaged_sweep/sweep.json": '{"cells": [',
    "foreign_sweep/sweep.json": '{"rows": 3}',
    "list_sweep/sweep.json": "[]",
}
"""Contents of files by name."""

_CONFIG_FILES = [
    ("syntax.py", ("syntax.py", "line 1")),
    ("raises.py", ("raises.py", "line 2", "ZeroDivisionError")),
    ("raises_when_loaded.py", ("raises_when_loaded.py", "a_module_that_is_not_there")),
    ("empty.py", ("empty.py", "get_config")),
    ("no_return.py", ("get_config", "None")),
    ("a_number.py", ("get_config", "3")),
    ("a_dict.py", ("returns a config", "'training'")),
    ("empty_config.py", ("experiment",)),
    ("needs_an_argument.py", ("needs_an_argument.py", "variant")),
    ("not_a_function.py", ("not_a_function.py", "callable")),
    ("typo.py", ("typo.py", "line 7", "problem.dimm", "problem.dim?")),
    ("no_section.py", ("no_section.py", "line 7", "probelm", "problem?")),
    ("wrong_type.py", ("wrong_type.py", "line 7", "problem.dim", "five")),
    ("replaced.py", ("line 7", "problem", "hard")),
    ("missing.py", ("line 7", "problem.dim")),
    ("missing_section.py", ("line 7", "training")),
    ("untyped.py", ("line 7", "seeds", "2.5")),
    ("no_experiment.py", ("experiment",)),
    ("unknown.py", ("experiment", "trainings")),
    ("text.txt", ("text.txt",)),
    ("not_there.py", ("be a file that can be read", "not_there.py", "No such file")),
    ("other_files", ("other_files", "is a directory")),
    ("typo.py:variant", ("typo.py", "get_config()")),
]
_SWEEPS = [
    ("sweep_text.py", ("sweep", "problem.dim=(1,2)")),
    ("sweep_typo.py", ("sweep", "problem.dimm", "problem.dim?")),
    ("sweep_type.py", ("sweep", "problem.dim", "'a'")),
    ("sweep_value.py", ("problem.dim", "0")),
    ("sweep_twice.py", ("sweep", "5")),
    ("sweep_zip.py", ("sweep.zipped", "seeds")),
    ("sweep_section.py", ("sweep", "problem")),
    ("sweep_dict.py", ("sweep", "grid")),
]
_FLAGS = [
    ("--wrokdir=x", ("wrokdir", "workdir")),
    ("--overwite", ("overwite",)),
    ("--save_every=-1", ("--save_every", "-1")),
    ("--save_every=nan", ("--save_every", "nan")),
    ("--save_every=soon", ("--save_every", "soon")),
    ("--save_every", ("save_every",)),
    ("--platform=gpux", ("--platform", "gpux", "cpu, gpu, tpu")),
    ("--platform=", ("--platform",)),
    ("stray", ("stray", "--name=value")),
    ("---workdir", ("workdir",)),
    ("--config.problem.dim", ("problem.dim",)),
    ("--config.problem", ("problem",)),
    ("--noconfig.problem.dim", ("problem.dim",)),
    ("--flagfile={files}/not_there", ("not_there",)),
    ("--config=", ("--config",)),
    ("--workdir=", ("--workdir",)),
]
_RUN_FLAGS = [
    ("--overwrite=maybe", ("--overwrite", "maybe")),
    ("--num_processes=two", ("--num_processes", "two")),
    ("--num_processes=2", ("--num_processes", "--distributed", "2")),
    ("--process_id=0", ("--process_id", "--distributed")),
    ("--coordinator=here", ("--coordinator", "--distributed", "here")),
    ("--connect_timeout=0", ("--connect_timeout", "0")),
    ("--grid=seeds=(1,2)", ("grid",)),
]
_LAUNCH_FLAGS = [
    ("--grid=seeds", ("--grid", "seeds")),
    ("--grid=seeds=", ("--grid", "seeds=")),
    ("--grid=seeds=3", ("--grid", "seeds=3")),
    ("--grid=seeds=()", ("--grid", "seeds=()")),
    ("--grid=seeds=(1,", ("--grid", "seeds=(1,")),
    ("--grid=sedes=(1,2)", ("sedes", "seeds?")),
    ("--grid==(1,2)", ("sweep", "''")),
    ("--grid=seeds=(1,0)", ("seeds", "0")),
    ("--grid=seeds=(1,1)", ("sweep", "1")),
    ("--grid=seeds=(1,'a')", ("seeds", "'a'")),
    ("--grid=seeds=(1,None)", ("seeds", "None")),
    ("--grid=problem.norm=(1e999,)", ("problem.norm", "inf")),
    ("--grid=seeds=({},)", ("seeds", "{}")),
    ("--zip=seeds=(1,2);problem.dim=(5,)", ("sweep.zipped", "seeds")),
    ("--zip=seeds=(1,2);", ("--zip", "''")),
    ("--executor=cloud", ("--executor", "cloud", "inline, local, slurm")),
    ("--jobs=-1", ("--jobs", "-1")),
    ("--jobs=many", ("--jobs", "many")),
    ("--cores_per_job=-2", ("--cores_per_job", "-2")),
    ("--time=0", ("--time", "0")),
    ("--cpus=0", ("--cpus", "0")),
    ("--memory=0", ("--memory", "0")),
    ("--memory=nan", ("--memory", "nan")),
    ("--signal_before=5", ("--signal_before", "5")),
    ("--retry_failed=maybe", ("--retry_failed", "maybe")),
    ("--overwrite", ("overwrite",)),
]
_COMBINATIONS = [
    (("model.centring=antisymmetric", "model.widths=(3,)"), ("model.widths", "even", "3")),
    (("training.batch_size=513",), ("training.batch_size", "512", "513")),
    (("data.kind=stream",), ("training.batch_size", "stream", "None")),
    (
        ("data.kind=stream", "training.batch_size=8", "training.optimizer=gradient_flow"),
        ("data.kind", "gradient flow", "stream"),
    ),
    (("data.kind=stream", "training.batch_size=1000000000000"), ("batch_size", "memory")),
    (("data.kind=population", "precision=float64", "training.batch_size=8"), ("batch_size", "8")),
    (("data.kind=population",), ("precision", "float64", "float32")),
    (("data.kind=population", "precision=float64", "measure.exact=False"), ("exact", "False")),
    (
        ("data.kind=population", "precision=float64", "model.activation=tanh"),
        ("model.activation", "tanh"),
    ),
    (
        ("data.kind=population", "precision=float64", "model.bias=True", "problem.inputs=sphere"),
        ("problem.inputs", "sphere"),
    ),
    (("model.trainable=hidden", "model.output_init=zero"), ("model.trainable", "hidden")),
    (("training.optimizer=adam",), ("training.learning_rate", "adam", "auto")),
    (("measure.eigenvalues=4",), ("measure.eigenvalues", "measure.kernels", "4")),
    (("measure.eigenvalues=300", "measure.kernels=True"), ("measure.eigenvalues", "256", "300")),
    (("measure.alignment=True", "problem.target=teacher"), ("measure.alignment", "True")),
    (("measure.infinite_width=True", "training.batch_size=8"), ("infinite_width", "True")),
    (("problem.target=polynomial", "problem.bias=0.5"), ("problem.bias", "0.5")),
    (("problem=3",), ("--config.problem", "3")),
    (
        ("problem.inputs=sphere", "problem.bias=0.5", "problem.dim=2"),
        ("problem.dim", "at least 3", "2"),
    ),
    *(
        (
            ("problem.target=polynomial", f"problem.polynomial={kind}", f"problem.degree={degree}")
            + ((f"problem.dim={dim}",) if dim else ()),
            named,
        )
        for kind, degree, dim, named in [
            ("monomial", 11, 0, ("problem.degree", "11")),
            ("monomial", 0, 0, ("problem.degree", "0")),
            ("monomial", 5, 4, ("problem.dim", "5", "4")),
            ("gegenbauer", 2, 1, ("problem.dim", "2", "1")),
            ("harmonic", 2, 1, ("problem.dim", "2", "1")),
            ("single_index", 101, 0, ("problem.degree", "100", "101")),
            ("harmonic", 1000000000000, 0, ("problem.degree", "1000000000000")),
        ]
    ),
    (("problem.target=teacher", "problem.neurons=1000000000"), ("problem.neurons", "memory")),
    (("mesh.seeds=9",), ("mesh", "devices", "9")),
    (
        ("training.learning_rate=0.1,0.2",),
        ("training.learning_rate", "3 lazy scales", "(0.1, 0.2)"),
    ),
    (
        ("training.optimizer=sgd(momentum='a')",),
        ("training.optimizer", "momentum", "'a'"),
    ),
    (("training.optimizer=sgd(momentum=1e999)",), ("training.optimizer", "momentum", "inf")),
    (("training.optimizer=lbfgs", "training.learning_rate=0.1"), ("training.optimizer", "lbfgs")),
]
_WORKDIRS = [
    ("a_file", ("--workdir", "a_file", "directory")),
    ("a_file/below", ("--workdir", "a_file")),
    ("other_files", ("--workdir", "other_files", "empty")),
]
_RUN_WORKDIRS = [
    ("other_run", ("--workdir", "other_run", "seeds", "--overwrite")),
    ("damaged_config", ("config.json", "damaged")),
    ("list_config", ("config.json",)),
]
_COMPARE = [
    ((), ("--workdirs",)),
    (("--workdirs={files}/other_run",), ("--output",)),
    (("--output={new}",), ("--workdirs",)),
    (("--workdirs=", "--output={new}"), ("--workdirs",)),
    (("--workdirs={files}/not_there", "--output={new}"), ("--workdirs", "not_there")),
    (("--workdirs={files}/other_files", "--output={new}"), ("--workdirs", "other_files")),
    (("--workdirs={files}/a_file", "--output={new}"), ("--workdirs", "a_file")),
    (("--workdirs={files}/unfinished", "--output={new}"), ("--workdirs", "finished", "unfinished")),
    (("--workdirs={files}/damaged_table", "--output={new}"), ("metrics.parquet", "damaged_table")),
    (("--workdirs={files}/no_table", "--output={new}"), ("metrics.parquet", "no_table")),
    (("--workdirs={files}/damaged_config", "--output={new}"), ("config.json", "damaged")),
    (("--workdirs={files}/list_config", "--output={new}"), ("config.json",)),
    (("--workdirs={files}/damaged_run", "--output={new}"), ("run.json", "damaged")),
    (("--workdirs={files}/damaged_sweep", "--output={new}"), ("sweep.json", "damaged")),
    (("--workdirs={files}/foreign_sweep", "--output={new}"), ("sweep.json",)),
    (("--workdirs={files}/list_sweep", "--output={new}"), ("sweep.json",)),
    (("--workdirs={files}/other_run", "--output={files}/a_file"), ("--output", "a_file")),
    (("--workdirs={files}/other_run", "--output={files}/other_files"), ("--output", "empty")),
    (("--workdirs={files}/other_run", "--output={files}/a_file/below"), ("--output", "a_file")),
    (("--workdirs={files}/other_run", "--output="), ("--output",)),
    (("--workdirs={files}/other_run", "--output={new}", "--overwrite=3"), ("--overwrite", "3")),
    (("--workdirs={files}/other_run", "--output={new}", "stray"), ("stray",)),
    (("--workdir={files}/other_run", "--output={new}"), ("workdir",)),
]
_STATUS = [
    ((), ("--workdir",)),
    (("--workdir=",), ("--workdir",)),
    (("--workdir={files}/not_there",), ("--workdir", "not_there", "sweep")),
    (("--workdir={files}/other_run",), ("--workdir", "other_run", "sweep")),
    (("--workdir={files}/a_file",), ("--workdir", "a_file")),
    (("--workdir={files}/damaged_sweep",), ("sweep.json", "damaged")),
    (("--workdir={files}/foreign_sweep",), ("sweep.json",)),
    (("--workdir={files}/list_sweep",), ("sweep.json",)),
]


def more_mistakes() -> list[Mistake]:
    """Every mistake of this file, for every script it can be made with."""
    found = []
    for script, (config, *_) in CONFIGS.items():
        first, launch = f"--config={{configs}}/{config}.py", script == "launch"
        found += [
            Mistake(script, (), ("--config",)),
            Mistake(script, ("--workdir={new}",), ("--config",)),
            Mistake(script, (first,), ("--workdir",)),
            Mistake(script, ("--config",), ("config",)),
            Mistake(script, ("--config.seeds=1", "--workdir={new}"), ("--config",)),
        ]
        found += [
            with_config(script, config, flag, named=named)
            for flag, named in (*_FLAGS, *(_LAUNCH_FLAGS if launch else _RUN_FLAGS))
        ]
        files = [*_CONFIG_FILES, *(_SWEEPS if launch else ())]
        files += [("sweep_typo.py", ("scripts/launch.py",))] if script == "train" else []
        found += [
            Mistake(script, (f"--config={{files}}/{name}", "--workdir={new}"), named)
            for name, named in files
        ]
        found += [
            Mistake(script, (first, f"--workdir={{files}}/{name}"), named)
            for name, named in (*_WORKDIRS, *(() if launch else _RUN_WORKDIRS))
        ]
    for fields, named in _COMBINATIONS:
        arguments = [f"--config.{field}" for field in fields]
        found += [
            with_config(script, "quickstart", *arguments, named=named)
            for script in ("train", "launch")
        ]
    found += [Mistake("compare", arguments, named) for arguments, named in _COMPARE]
    found += [Mistake("launch", ("status", *arguments), named) for arguments, named in _STATUS]
    others = {
        "train": "large",
        "dynamics": "quickstart",
        "samples": "coupling",
        "power": "hardness",
    }
    others |= {"limits": "chizat", "large": "approximation"}
    found += [
        with_config(script, config, named=("experiment", config if config != "quickstart" else ""))
        for script, config in others.items()
    ]
    return [one._replace(kinds=_kinds(one)) for one in found]


def _kinds(mistake: Mistake) -> tuple[Any, ...]:
    """Its script with what is common to its arguments; the arguments beside those every one has.

    So there is an example of every mistake with one script, and of every script with mistakes
    in a config file, in a work directory, and in other arguments.
    """
    told = [text for text in mistake.arguments if not text.startswith("--config={configs}")]
    told = tuple(text for text in told if text != "--workdir={new}")
    files = {text.partition("=")[0] for text in mistake.arguments if "{files}" in text}
    return ((mistake.script, *sorted(files)), told or mistake.arguments)
