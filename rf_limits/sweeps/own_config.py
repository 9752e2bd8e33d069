"""The user's config file in workers and reports: its entries in tables of the package are there.

Targets, activations, measurements and experiments of one's own are entries that a config file makes
when it is loaded (docs/extending.md). Workers are processes of their own, and load it again; a
report of an unfinished run does so where it is asked to.
"""

from rf_limits.config.files import ConfigFile


def load(config_file: str | None, flag: str = "--config") -> None:
    """Loads a config file as the command that starts a run does; its config is not looked at.

    Args:
      config_file: its path, with what is passed to its ``get_config`` after a colon; None for none.
      flag: by which the user named it.

    Raises:
      RequirementError: it cannot be loaded any more.
    """
    if config_file is not None:
        ConfigFile.parse(config_file, flag).run()
