"""Text on a console as it is: names of files and targets may look like markup."""

from rich.console import Console


def say(console: Console, text: str) -> None:
    """Prints lines of text, without markup, colours, pictures or breaks of the console's own."""
    console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)
