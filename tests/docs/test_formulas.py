"""Formulas of the documents are written so that GitHub and MyST both read them as formulas.

GitHub reads Markdown before it reads formulas, so that a backslash before a punctuation mark, an
asterisk, an underscore after a closing brace or a vertical bar in a table would be lost to it.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/*.md"))
_CODE = re.compile(r"^(```|~~~).*?^\1|(?<=\n\n)(?:    [^\n]*\n+)+|<!--.*?-->|`[^`]+`", re.M | re.S)
_DISPLAYED = re.compile(r"(?<=\n\n)\$\$\n([^$]+)\n\$\$(?=\n\n)")
_INLINE = re.compile(r"(?:(?<=^)|(?<=[\s(\[|*]))\$(?! )([^$\n]+)(?<! )\$(?=[\s.,;:!?)\]]|$)", re.M)
_LOST = {
    r"\\[^A-Za-z]": "a backslash before a character that is no letter",
    r"\*": "an asterisk",
    r"(?<![A-Za-z0-9])_": "an underscore that could begin emphasis",
    r"\|": "a vertical bar",
    r"<(?! )": "a less-than sign that could begin a tag",
    r"(?m)^[-+] ": "a line that could begin a list",
}
_COMMANDS = """
    Delta Gamma Phi Pi Theta alpha beta delta eta gamma kappa lambda mu nu omega phi pi psi rho
    sigma tau theta varepsilon varphi partial nabla infty star top perp prime
    mathbb mathbf mathrm text bar hat tilde sqrt frac tfrac left right langle rangle lvert rvert
    lVert rVert lceil rceil lfloor rfloor sum prod int min max exp log ln sin cos arccos Pr
    ge le ne sim approx pm mp cdot times odot to mapsto mid in ldots ell quad qquad
"""
"""What formulas may use: commands that GitHub and MathJax know without an extension."""


def mistakes(text):
    """Returns what GitHub or MyST would not read as the formula that is meant."""
    text = _CODE.sub("", text + "\n")
    formulas = _DISPLAYED.findall(text)
    text = _DISPLAYED.sub("", text)
    formulas += _INLINE.findall(text)
    rest = re.findall(r".{0,30}\$.{0,30}", _INLINE.sub("", text))
    lost = [f"{why}: {f}" for f in formulas for what, why in _LOST.items() if re.search(what, f)]
    commands = set(re.findall(r"\\([A-Za-z]+)", " ".join(formulas)))
    lost += [f"not in the list of commands: {c}" for c in commands - set(_COMMANDS.split())]
    unbalanced = [f"braces: {f}" for f in formulas if f.count("{") != f.count("}")]
    return [f"a lone dollar sign: {line}" for line in rest] + lost + unbalanced


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_formulas_are_read_by_github_and_by_the_site(path):
    assert mistakes(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        r"a width $N$-fold",
        r"a width$N$",
        r"$ N$ neurons",
        r"a cost of $5",
        r"$\{a\}$",
        r"$f^*$",
        r"$\mathbb{E}_x f$",
        r"| $|x|$ |",
        r"$<w, x>$",
        r"$\operatorname{tr} T$",
        "text\n$$\na\n$$\n",
        r"$\sqrt{d$",
        "text\n\n$$\na\n+ b\n$$\n\ntext\n",
    ],
)
def test_a_mistake_is_seen(text):
    assert mistakes(text)


@pytest.mark.parametrize(
    "text",
    [
        r"$N^{-1/2}$, ($f^\star$) and $\mathbb E_x \lvert x\rvert^2 < 1$.",
        "text\n\n$$\n\\lVert x\\rVert_F\n$$\n\ntext\n",
        "`$HOME` and\n\n    $run --process_id=1 &\n\n- a list\n  - in\n    $N$ lines\n",
    ],
)
def test_a_formula_is_let_through(text):
    assert mistakes(text) == []
