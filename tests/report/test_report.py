"""What a page says, and what cannot be made a page of."""

import html
import json
import re
import urllib.parse

import numpy as np
import pytest

from rf_limits.analysis import verdict
from rf_limits.analysis.tables import summary_rows
from rf_limits.errors import RequirementError
from rf_limits.report import page as page_module
from rf_limits.report.configuration import fields
from rf_limits.report.curves import finite_and_infinite
from rf_limits.report.page import report
from rf_limits.runs.store import RunStore
from rf_limits.studies import EXPERIMENTS, config_from_json
from rf_limits.studies.approximation import means as approximation_means
from rf_limits.table import Cell
from rf_limits.training.result import Result
from tests.report.conftest import QUICK, REFERENCE, changed, copied, written
from tests.variants import kept


def plain_text(page):
    """The words of a page, without its figures, scripts and styles."""
    text = page.read_text()
    for name in ("style", "script", "svg"):
        text = re.sub(rf"<{name}\b.*?</{name}>", " ", text, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_the_verdict_is_that_of_the_tables(quickstart):
    text = plain_text(quickstart)
    rows = summary_rows(RunStore(REFERENCE / "quickstart").read_metrics())
    networks = [row for row in rows if row["method"] == "network"]
    best = min(networks, key=lambda row: row["risk"])
    fixed = min(row["risk"] for row in rows if row["method"] != "network")
    assert f"N = {best['width']}, alpha = {best['lazy_scale']:g}" in text
    assert f"{fixed / best['risk']:.0f} times below" in text
    for symbol, name in (("R*(P)", "features"), ("R*(n)", "samples")):
        below = sum(row["risk"] < row[f"{name}_limit"] for row in networks)
        assert f"{below} of 9 widths and scales end below {symbol} on average over 3 seeds" in text
    assert "none with a certificate" in text
    assert "no certificate; if the expected risk is that mean it would take about" in text
    assert "features were learned" not in text
    assert "no fixed features do that" not in text


def test_networks_that_gain_nothing_are_said_to():
    rows = [
        {"method": "network", "width": 8, "lazy_scale": 1.0, "risk": 0.2},
        {"method": "ntk", "width": None, "risk": 0.1},
        {"method": "random_features", "width": 8, "risk": float("nan")},
    ]
    assert "2.0 times above the best beside it that keeps" in verdict.against_fixed(rows)
    rows[0]["risk"] = float("nan")
    assert "No network was trained to a finite risk" in verdict.against_fixed(rows)


def test_fixed_features_beside_their_limit(approximation):
    means = approximation_means(RunStore(REFERENCE / "approximation").read_metrics())
    ratios = means["mean"] / means["lazy_limit"]
    worst = ratios[means["method"] == "random_features"].max()
    text = plain_text(approximation)
    assert re.search(
        rf"random features \(RF\): [\d.]+ to {worst:.1f} times the lazy limit R\*", text
    )
    assert (ratios >= 1.0).all()
    assert text.count(" features; none of ") == 2


def test_configuration_provenance_and_data(quickstart):
    text = plain_text(quickstart)
    facts = json.loads((REFERENCE / "quickstart" / "run.json").read_text())
    for word in (facts["git_revision"], facts["command"], facts["versions"]["jax"], "complete"):
        assert word in text
    assert "model.widths 16, 128, 1024 16, 64, 256, 1024" in text
    links = re.findall(r'<a href="([^"#]+)"', quickstart.read_text())
    assert len(links) >= 4
    for link in links:
        assert (quickstart.parent / urllib.parse.unquote(link)).is_file(), link


@pytest.mark.parametrize("page", ["quickstart", "approximation", "sweep_page"])
def test_nothing_is_fetched(page, request):
    text = request.getfixturevalue(page).read_text()
    assert not re.search(r"""(src|href|action)=["']?\s*(https?:)?//""", text)
    assert not re.search(r"@import|url\((?!#)", text)
    assert not re.search(r"\bsrc=", text)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text):
        assert (target[0] or target[1]) in ids


def test_a_page_does_not_depend_on_when_it_is_written(approximation):
    again, _ = written([REFERENCE / "approximation"], approximation.parent / "again.html")
    assert again.read_bytes() == approximation.read_bytes()


def test_every_experiment_has_defaults():
    assert len(EXPERIMENTS) >= 12
    for name in EXPERIMENTS:
        config = EXPERIMENTS[name]().to_json()
        assert config["experiment"] == name
        assert fields(config)[0] == []
        config["seeds"] = "many"
        assert [field.name for field in fields(config)[0]] == ["seeds"]


def test_curves_are_the_means_of_the_table():
    metrics = RunStore(REFERENCE / "quickstart").read_metrics()
    found = finite_and_infinite(metrics)
    assert [one["name"] for one in found] == ["alpha = 0.1", "alpha = 1", "alpha = 10"]
    widest = found[2]["widths"][-1]
    rows = metrics[
        (metrics["method"] == "network")
        & (metrics["width"] == 1024)
        & (metrics["lazy_scale"] == 10.0)
    ]
    last = rows[rows["step"] == widest["step"][-1]]["risk"]
    np.testing.assert_allclose(widest["mean"][-1], last.mean(), rtol=1e-4)
    np.testing.assert_allclose(widest["low"][-1], last.min(), rtol=1e-4)
    # The widest network's times are those of the kernel's flow: nothing is interpolated.
    np.testing.assert_allclose(widest["ntk"], found[2]["ntk"]["mean"], rtol=1e-3)
    assert widest["limit"] == pytest.approx(rows["features_limit"].iloc[0], rel=1e-4)


def test_cells_are_sorted_by_the_numbers_they_show(approximation):
    """By the whole numbers, not by the digits that are printed; methods by their names."""
    store = RunStore(REFERENCE / "approximation")
    study = config_from_json(store.read_json("config.json"))
    choices = store.read_json("run.json")["choices"]
    table = study.findings(Result(store.read_metrics(), choices)).table
    shown = [cell for row in table.rows for cell in row]
    values = [getattr(cell, "value", None) for cell in shown]  # plain text has none
    expected = [("" if v is None else str(v), cell) for v, cell in zip(values, shown, strict=True)]
    cells = re.findall(r'<td(?: data-sort="([^"]*)")?>([^<]*)</td>', approximation.read_text())
    assert cells[: len(expected)] == expected
    assert {("", "RF"), ("5.0", "5")} < set(expected)
    assert any(len(value) > len(text) + 2 for value, text in expected)


def test_cells_of_plain_text_are_shown(tmp_path):
    """A study's table may hold text beside numbers."""
    store = RunStore(QUICK / "single_neuron")
    study = config_from_json(store.read_json("config.json"))
    choices = store.read_json("run.json")["choices"]
    table = study.findings(Result(store.read_metrics(), choices)).table
    assert not isinstance(table.rows[0][0], Cell)
    page, _ = written([store.path], tmp_path / "page.html")
    assert f"<td>{table.rows[0][0]}</td>" in page.read_text()


@pytest.mark.parametrize("name", kept(sorted(p.name for p in QUICK.iterdir()), ["polynomials"]))
def test_every_committed_result_has_a_page(name, tmp_path):
    page, said = written([QUICK / name], tmp_path / "page.html")
    assert "1 run" in said
    config = config_from_json(RunStore(QUICK / name).read_json("config.json"))
    assert config.about() in plain_text(page)


def test_a_sweep_shows_all_its_runs(sweep_page):
    text = plain_text(sweep_page)
    assert "3 of 4 runs are finished." in text
    assert "differ in model.lazy_scales, problem.noise" in text
    assert "DIVERGED: networks without a finite risk: 1, in lazy_scales = 0.5, noise = 0." in text
    assert "LEFT OUT" in text
    assert "failed, Boom: <b>a reason</b>" in text
    assert "<b>" not in sweep_page.read_text()


def test_text_from_configs_is_escaped(tmp_path):
    path = copied("quickstart", tmp_path)
    evil = "</script><script>alert(1)</script>"
    config = json.loads((path / "config.json").read_text())
    config["measure"]["extra"] = [evil]
    (path / "config.json").write_text(json.dumps(config))
    changed(path, command=evil)
    page, _ = written([path], tmp_path / "page.html")
    assert page.read_text().count("<script>alert") == 0
    assert page.read_text().count(html.escape(evil)) >= 2


def test_an_unfinished_run_with_tables_says_so(tmp_path):
    path = copied("approximation", tmp_path)
    changed(path, status="failed", error="ValueError: a reason")
    page, _ = written([path], tmp_path / "page.html")
    assert "UNFINISHED: this run is failed (ValueError: a reason)" in plain_text(page)


def test_default_place_and_overwriting(tmp_path):
    path = copied("approximation", tmp_path)
    report([path])
    before = (path / "report.html").read_bytes()
    with pytest.raises(RequirementError, match=r"--output must be new, or --overwrite be given"):
        report([path])
    (path / "report.html").write_text("<title>rf_limits: an older page</title>")
    report([path], overwrite=True)
    assert (path / "report.html").read_bytes() == before


def test_only_pages_are_replaced_and_none_of_another_process(tmp_path, monkeypatch):
    """--overwrite turned a run's table into a page; of two at once the first was lost."""
    path, place = copied("approximation", tmp_path), tmp_path / "pages"
    place.mkdir()
    mine = place / "mine.html"
    mine.write_text("<html>mine</html>")
    with pytest.raises(RequirementError, match="^--output must be new or an earlier report"):
        report([path], mine, overwrite=True)
    assert mine.read_text() == "<html>mine</html>"
    output, rendered = place / "page.html", page_module.render

    def meanwhile(*arguments):
        output.write_text("another's")
        return rendered(*arguments)

    monkeypatch.setattr(page_module, "render", meanwhile)
    with pytest.raises(RequirementError, match="^--output must be new, or --overwrite be given"):
        report([path], output)
    assert output.read_text() == "another's"
    assert {one.name for one in place.iterdir()} == {"mine.html", "page.html"}


def test_a_run_without_networks_is_shown(tmp_path):
    path = copied("quickstart", tmp_path)
    store = RunStore(path)
    metrics = store.read_metrics()
    store.write_metrics(metrics[metrics["method"] == "ntk"])
    config = json.loads((path / "config.json").read_text())
    config["data"]["seed"] = 3
    (path / "config.json").write_text(json.dumps(config))
    text = plain_text(written([path], tmp_path / "page.html")[0])
    assert "No network was trained to a finite risk" in text
    assert "SHARED DATA" in text
    assert "Weight movement and NTK drift" not in text
    assert "over time" not in text


def _add_field(path, name):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {name: 1}))


def _truncate(path, name):
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda p: _truncate(p, "metrics.parquet"), "metrics.parquet must be readable"),
        (lambda p: _truncate(p, "run.json"), "run.json must be JSON"),
        (lambda p: (p / "run.json").write_bytes(b"\xff\xfe\x00"), "run.json must be JSON"),
        (lambda p: (p / "config.json").write_text("[]"), "config.json must hold names and values"),
        (lambda p: (p / "config.json").write_text('{"experiment": "no"}'), "must be one of"),
        (lambda p: (p / "config.json").unlink(), "--workdir must name directories of runs"),
        (lambda p: (p / "metrics.parquet").unlink(), "nothing is finished in"),
    ],
)
def test_what_cannot_be_shown_is_one_line(break_it, message, tmp_path):
    path = copied("approximation", tmp_path)
    break_it(path)
    with pytest.raises(RequirementError, match=message) as caught:
        report([path])
    assert "\n" not in str(caught.value)
    assert not (path / "report.html").exists()


def test_fields_that_are_unknown_here_are_named(tmp_path):
    """A config of a later version was refused as a whole."""
    path = copied("approximation", tmp_path)
    _add_field(path, "extra")
    text = written([path], tmp_path / "page.html")[0].read_text()
    assert "UNKNOWN FIELDS: this version of rf_limits does not know extra, and" in text
    assert '<code title="">extra</code>' in text
    paths = []
    for seeds in (4, 5):
        (tmp_path / str(seeds)).mkdir()
        paths.append(copied("quickstart", tmp_path / str(seeds)))
        store = RunStore(paths[-1])
        config = {**store.read_json("config.json"), "seeds": seeds}
        store.write_json("config.json", config | {"model": {**config["model"], "depth": 2}})
    text = written(paths, tmp_path / "both.html")[0].read_text()
    assert "does not know model.depth" in text
    assert "(2 of 2 runs)" in text


def test_a_table_of_another_version_is_one_line(tmp_path):
    path = copied("approximation", tmp_path)
    store = RunStore(path)
    store.write_metrics(store.read_metrics().drop(columns="num_features"))
    with pytest.raises(RequirementError, match=r"metrics.parquet must have the columns.*num_feat"):
        report([path])
