"""The recipes of the committed results: a script, a config and overrides for every experiment.

``full`` is results/reference, ``quick`` the same experiments small, results/quick. The Makefile,
the tests and results/README.md take their commands from here.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rf_limits.config import Config, frozen
from rf_limits.config.files import ConfigFile
from rf_limits.errors import check, check_choice
from rf_limits.studies import EXPERIMENTS

ROOT = Path(__file__).parents[2]
FOLDERS = {"full": "results/reference", "quick": "results/quick"}
"""Folders of the committed tables, by variant."""


class Recipe(NamedTuple):
    """One experiment of the committed results.

    Attributes:
      name: of its directory, and of its config under configs/.
      script: under scripts/, without suffix.
      quick: overrides by dotted field of the quick variant.
      full: of the full one.
    """

    name: str
    script: str
    quick: Mapping[str, Any]
    full: Mapping[str, Any] = {}

    def overrides(self, variant: str) -> Mapping[str, Any]:
        """Returns the fields in which a variant differs from the config."""
        return {"full": self.full, "quick": self.quick}[variant]

    def config(self, variant: str) -> Config:
        """Returns the config of a variant."""
        config = ConfigFile(str(ROOT / f"configs/{self.name}.py")).load()
        config.update(self.overrides(variant))
        return frozen(config)

    def command(self, variant: str, workdir: str) -> list[str]:
        """Returns the command that makes it, as typed in the project's root."""
        words = [f"scripts/{self.script}.py", f"--config=configs/{self.name}.py"]
        words += [f"--workdir={workdir}", "--overwrite"]
        return words + [
            f"--config.{name}={value}" for name, value in self.overrides(variant).items()
        ]


_QUICKSTART = {
    "problem.dim": 10,
    "data.num_train": 128,
    "model.widths": (16, 128),
    "model.lazy_scales": (0.1, 10.0),
    "training.steps": 300,
    "training.log_points": 4,
    "seeds": 2,
}
_CERTIFICATE = {
    "problem.dim": 5,
    "data.num_train": 32,
    "model.widths": (8,),
    "training.steps": 200,
    "seeds": 30,
}
RECIPES = (
    Recipe("quickstart", "train", _QUICKSTART),
    Recipe("certificate", "train", _CERTIFICATE),
    *(
        Recipe(name, kind.script, kind.quick, kind.full)
        for name, kind in EXPERIMENTS.items()
        if kind.quick
    ),
)


def chosen(variant: str, names: Iterable[str] = ()) -> list[Recipe]:
    """Returns the recipes of a variant, or those named.

    Raises:
      RequirementError: no such variant, or an experiment it does not have.
    """
    check_choice(variant, FOLDERS, "--variant")
    recipes = {recipe.name: recipe for recipe in RECIPES}
    for name in names:
        check_choice(name, recipes, "--only")
    return [recipe for recipe in recipes.values() if not names or recipe.name in names]


def make(variant: str, output: str | None = None, names: Iterable[str] = ()) -> int:
    """Runs the commands of a variant, one after the other, each in a process of its own.

    Args:
      variant: ``"full"`` or ``"quick"``.
      output: directory with a folder for every experiment; None: where the committed ones are.
      names: experiments; empty: all.

    Returns:
      The exit code of the first command that failed, or 0.

    Raises:
      RequirementError: as :func:`chosen`; no checkout to run in.
    """
    recipes = chosen(variant, tuple(names))
    check((ROOT / "scripts").is_dir(), "rf_limits", "run from a checkout, with scripts/", str(ROOT))
    folder = FOLDERS[variant] if output is None else output
    for recipe in recipes:
        words = recipe.command(variant, f"{folder}/{recipe.name}")
        print(shlex.join(["python", *words]), flush=True)
        code = subprocess.run([sys.executable, *words], cwd=ROOT, check=False).returncode
        if code:
            return code
    return 0
