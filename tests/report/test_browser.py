"""Pages in a real browser: figures are there, nothing is logged, controls do what they say."""

import json

import pytest

from tests.report import browser as browsers
from tests.report.conftest import REFERENCE, written

pytestmark = pytest.mark.skipif(
    browsers.find() is None, reason="no Chromium here: sudo .ci/chromium install"
)
PAGES = ("quickstart", "approximation", "sweep_page")
FIGURES = """[...document.querySelectorAll('.picture svg, .charts svg')].map((svg) => {
  const box = svg.getBoundingClientRect();
  const shapes = [...svg.querySelectorAll('path, line, circle, use, text, rect')];
  const numbers = shapes.flatMap((one) => [...one.attributes]
    .filter((a) => !['id', 'class', 'style', 'clip-path', 'aria-label'].includes(a.name))
    .map((a) => a.value));
  return {
    width: box.width, height: box.height, shapes: shapes.length,
    bad: numbers.filter((text) => /NaN|Infinity|undefined|null/.test(text)),
    drawn: shapes.filter((one) => one.getBBox().width + one.getBBox().height > 0).length,
  };
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests."""
    one = browsers.Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


def _all_is_well(browser, page):
    browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
    figures = browser.run(FIGURES)
    assert figures
    for one in figures:
        assert one["width"] > 100, one
        assert one["height"] > 50, one
        assert one["drawn"] > 10, one
        assert not one["bad"], one
    assert browser.errors == []
    assert [r for r in browser.requests if not r.startswith("data:")] == [page.resolve().as_uri()]


@pytest.mark.parametrize("page", PAGES)
def test_figures_render_and_nothing_is_logged(page, browser, request):
    path = request.getfixturevalue(page)
    browser.open(path, 1200)
    _all_is_well(browser, path)


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_does_not_scroll_sideways(page, browser, request):
    browser.open(request.getfixturevalue(page), 375, 800)
    browser.run("document.querySelectorAll('details').forEach((one) => one.open = true)")
    assert browser.run("window.innerWidth") == 375
    assert browser.run("document.documentElement.scrollWidth") <= 375
    assert browser.run("document.body.scrollWidth") <= 375
    sizes = browser.run(
        "[...document.querySelectorAll('p, td, li, dd, button, label')]"
        ".map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 12
    charts = browser.run(
        "[...document.querySelectorAll('.charts text')]"
        ".map((one) => one.getBoundingClientRect())"
        ".filter((b) => b.left < 0 || b.right > 375).length"
    )
    assert charts == 0


def _column(browser, table, index):
    return browser.run(
        f"[...document.querySelectorAll('#{table} tbody tr')]"
        f".map((row) => row.cells[{index}].textContent)"
    )


def test_a_click_on_a_head_sorts(browser, quickstart):
    browser.open(quickstart, 1200)
    table, index = "run-1-table-0", 3  # risks of networks
    before = _column(browser, table, index)
    head = f"#{table} th:nth-child({index + 1})"
    state = f"document.querySelector('{head}').getAttribute('aria-sort')"
    assert browser.run(state) == "none"
    browser.click(f"{head} button")
    assert browser.run(state) == "ascending"
    up = _column(browser, table, index)
    assert up == sorted(before, key=float) != before
    browser.click(f"{head} button")
    assert browser.run(state) == "descending"
    assert _column(browser, table, index) == up[::-1]
    others = f"[...document.querySelectorAll('#{table} th[aria-sort=none]')].length"
    assert (
        browser.run(others)
        == len(browser.run(f"[...document.querySelectorAll('#{table} th')].map(() => 1)")) - 1
    )
    assert browser.errors == []


def test_text_and_missing_values_sort_too(browser, sweep_page):
    browser.open(sweep_page, 1200)
    table = "runs-table-0"
    browser.click(f"#{table} th:nth-child(1) button")
    names = _column(browser, table, 0)
    assert names == sorted(names)
    heads = browser.run(f"[...document.querySelectorAll('#{table} th')].map((h) => h.textContent)")
    risk = heads.index("risk")
    for last in range(2):  # both ways, what is missing comes last
        browser.click(f"#{table} th:nth-child({risk + 1}) button")
        column = _column(browser, table, risk)
        assert column[-1] == "nan", (last, column)
        numbers = [float(text) for text in column[:-1]]
        assert numbers == sorted(numbers, reverse=bool(last))


def test_slider_and_steps_change_what_is_shown(browser, quickstart):
    browser.open(quickstart, 1200)
    shown = "document.querySelector('.explorer .charts').innerHTML"
    said = "document.querySelector('.explorer output').textContent"
    table = "document.querySelector('.then tbody').textContent"
    data = json.loads(browser.run("document.getElementById('run-1-curves').textContent"))
    steps = data[0]["widths"][0]["step"]
    states = []
    assert f"step {steps[-1]} " in browser.run(said)
    states.append((browser.run(shown), browser.run(table)))
    browser.click(".explorer .back")
    assert f"step {steps[-2]} " in browser.run(said)
    states.append((browser.run(shown), browser.run(table)))
    browser.run("document.querySelector('.explorer input').focus()")
    browser.press("Home")
    assert f"step {steps[0]} " in browser.run(said)
    states.append((browser.run(shown), browser.run(table)))
    browser.press("ArrowRight")
    assert f"step {steps[1]} " in browser.run(said)
    states.append((browser.run(shown), browser.run(table)))
    browser.run(
        "(() => { const s = document.querySelector('.explorer select'); s.value = '2';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    states.append((browser.run(shown), browser.run(table)))
    assert len({one for one, _ in states}) == len({two for _, two in states}) == len(states)
    first = browser.run("document.querySelector('.then tbody tr').cells[2].textContent")
    assert float(first) == pytest.approx(data[2]["widths"][0]["mean"][-1], rel=5e-3)
    assert browser.errors == []


def test_print_unfolds_everything(browser, quickstart):
    browser.open(quickstart, 1200)
    folded = "document.querySelectorAll('details:not([open]):not(.meanings)').length"
    assert browser.run(folded) > 0
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run(folded) == 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(folded) > 0
    assert browser.pdf()[:5] == b"%PDF-"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    sorted(p.name for p in REFERENCE.iterdir() if p.name not in ("quickstart", "approximation")),
)
def test_every_experiment(name, browser, tmp_path):
    page, _ = written([REFERENCE / name], tmp_path / "page.html")
    for width in (1200, 375):
        browser.open(page, width)
        assert browser.run("document.documentElement.scrollWidth") <= width
        _all_is_well(browser, page)


@pytest.mark.slow
def test_several_experiments_on_one_page(browser, tmp_path):
    runs = [REFERENCE / name for name in ("quickstart", "approximation", "sample_complexity")]
    page, _ = written(runs, tmp_path / "page.html")
    browser.open(page, 1200)
    assert browser.run("document.querySelectorAll('article').length") == 3
    _all_is_well(browser, page)
