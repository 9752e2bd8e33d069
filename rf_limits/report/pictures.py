"""Figures as parts of a page: SVG without a file of its own."""

import io
import re
from typing import NamedTuple

from markupsafe import Markup, escape

from rf_limits.figures.style import Figure, save


class Picture(NamedTuple):
    """A drawn figure; ``width`` is in CSS pixels."""

    title: str
    caption: str
    svg: Markup
    width: int


def picture(name: str, figure: Figure, title: str, caption: str = "") -> Picture:
    """Draws a figure as inline SVG.

    Args:
      name: prefix of the ids in it, unique on the page.
      figure: to draw.
      title: for the heading, and for those who do not see the figure.
      caption: what to look at.
    """
    file = io.BytesIO()
    save(figure, file, "svg")
    text = file.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert box is not None  # every figure has one
    head = f'<svg viewBox="0 0 {box[1]} {box[2]}" role="img" aria-label="{escape(title)}">'
    text = head + text[text.index(">") + 1 :]
    return Picture(title, caption, Markup(text), round(float(box[1]) * 4 / 3))
