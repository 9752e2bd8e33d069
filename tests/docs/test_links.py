"""Links between documents lead to files and headings that are there; no network is asked."""

import pathlib
import re
import runpy

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[rdb]*s/*.md")])  # results, docs, benchmarks
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def headings(text):
    """Anchors of the headings of a Markdown page, as GitHub and MyST make them."""
    found, seen = set(), {}
    for title in re.findall(r"^#{1,6} +(.*?) *#*$", _FENCED.sub("", text), re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        anchor = re.sub(r"[^\w\- ]", "", title.replace("\\", "").lower()).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        found.add(f"{anchor}-{count}" if count else anchor)
    return found


def _leads_to(place, anchor, text):
    """Whether a file of the project (None: this page, ``text``) is there and has the heading."""
    if place is not None and not (place.exists() and place.is_relative_to(ROOT)):
        return False
    return not anchor or anchor in headings(text if place is None else place.read_text())


def broken(path, text):
    """Links of a page that lead nowhere."""
    found = []
    for target in _LINK.findall(_FENCED.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve()
        found += [target] * (not _leads_to(place if name else None, anchor, text))
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_links_lead_somewhere(path):
    assert broken(path, path.read_text()) == []


@pytest.mark.parametrize(
    "target",
    ["nowhere.md", "theory.md#nowhere", "#nowhere", "../../outside.md", "../results/none.png"],
)
def test_a_broken_link_is_seen(target):
    text = f"# Here\n\n[there](theory.md#1-the-model), [here](#here), ![a [b]]({target})\n"
    assert broken(ROOT / "docs" / "new.md", text) == [target]


def test_every_page_is_linked_from_the_readme_and_on_the_site():
    text = (ROOT / "README.md").read_text()
    parts = runpy.run_path(str(ROOT / "docs" / "conf.py"))["PAGES"].values()
    pages = [page for part in parts for page in part]
    for path in ROOT.glob("docs/*.md"):
        assert f"](docs/{path.name}" in text, path.name
        assert f"docs/{path.stem}" in pages, path.name
    assert all((ROOT / f"{page}.md").is_file() for page in pages)
