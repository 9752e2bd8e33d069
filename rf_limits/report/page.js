"use strict";

// Tables: a click on a head sorts by that column, another one the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[column];
        const number = cell.dataset.sort === undefined ? NaN : Number(cell.dataset.sort);
        return { row, number, text: cell.textContent.trim() };
      });
      const numeric = keyed.some((one) => !Number.isNaN(one.number));
      keyed.sort((a, b) => {
        if (!numeric) return (up ? 1 : -1) * a.text.localeCompare(b.text);
        const missing = Number.isNaN(a.number) - Number.isNaN(b.number);
        if (missing || Number.isNaN(a.number)) return missing; // what is missing comes last
        return (up ? 1 : -1) * (a.number - b.number);
      });
      body.append(...keyed.map((one) => one.row));
    });
  });
}

// In print everything is unfolded.
const unfolded = [];
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open]):not(.meanings)")) {
    one.open = true;
    unfolded.push(one);
  }
});
addEventListener("afterprint", () => unfolded.splice(0).forEach((one) => (one.open = false)));

// Charts on logarithmic axes.
const SVG = "http://www.w3.org/2000/svg";
const BOX = { width: 420, height: 300, left: 58, right: 12, top: 12, bottom: 46 };

function add(parent, name, attributes, text) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  parent.append(one);
  return one;
}

const positive = (value) => value !== null && value > 0;
const short = (value) => {
  if (value === null) return "–";
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(3)));
};

// Where values of an axis lie, for the range of all that will be shown.
function scale(values, from, to) {
  const good = values.filter(positive);
  let low = Math.min(...good);
  let high = Math.max(...good);
  if (!good.length) [low, high] = [0.1, 1];
  if (low === high) [low, high] = [low / 2, high * 2];
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const edge = 0.04 * (b - a);
  const place = (value) => from + ((Math.log10(value) - a + edge) / (b - a + 2 * edge)) * (to - from);
  return { low, high, place };
}

function decades(low, high) {
  const found = [];
  const many = Math.log10(high / low);
  const steps = many > 2 ? [1] : many > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++) {
    for (const step of steps) {
      const value = Number(`${step}e${k}`);
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  const every = Math.ceil(found.length / 7);
  return found.filter((_, i) => i % every === 0);
}

function tick(value) {
  if (value >= 0.01 && value < 10000) return short(value);
  const [digits, power] = value.toExponential().split("e");
  return `${digits === "1" ? "" : `${digits}·`}10${superscript(Number(power))}`;
}

function superscript(power) {
  return String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
}

function axes(parent, x, y, xTicks, xName, yName, title) {
  const { width, height, left, right, top, bottom } = BOX;
  const svg = add(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  for (const value of decades(y.low, y.high)) {
    const at = y.place(value);
    add(svg, "line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at });
    add(svg, "text", { x: left - 6, y: at + 4, "text-anchor": "end" }, tick(value));
  }
  for (const value of xTicks) {
    const at = x.place(value);
    add(svg, "line", { class: "grid", x1: at, x2: at, y1: top, y2: height - bottom });
    add(svg, "text", { x: at, y: height - bottom + 16, "text-anchor": "middle" }, tick(value));
  }
  add(svg, "line", { class: "axis", x1: left, x2: left, y1: top, y2: height - bottom });
  add(svg, "line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom });
  const middle = (left + width - right) / 2;
  add(svg, "text", { x: middle, y: height - 8, "text-anchor": "middle" }, xName);
  const turned = { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)` };
  add(svg, "text", { ...turned, "text-anchor": "middle" }, yName);
  return svg;
}

// The points of a line that can be drawn on logarithmic axes, in pieces where some cannot.
function path(xs, ys, x, y) {
  let text = "";
  let pen = "M";
  xs.forEach((value, i) => {
    if (!positive(value) || !positive(ys[i])) {
      pen = "M";
      return;
    }
    text += `${pen}${x.place(value).toFixed(2)} ${y.place(ys[i]).toFixed(2)}`;
    pen = "L";
  });
  return text;
}

function line(svg, kind, xs, ys, x, y, colour) {
  const d = path(xs, ys, x, y);
  if (!d) return;
  const one = add(svg, "path", { class: `line ${kind}`, d });
  if (colour) one.style.stroke = colour;
}

function dot(svg, cx, cy, colour) {
  const one = add(svg, "circle", { cx: cx.toFixed(2), cy: cy.toFixed(2), r: 4 });
  one.style.fill = colour;
}

function drawTime(parent, series, at) {
  const all = series.widths.flatMap((one) => [...one.low, ...one.high]);
  const limit = series.widths.at(-1).limit;
  const times = series.widths.flatMap((one) => one.time);
  const x = scale([...times, ...series.ntk.time], BOX.left, BOX.width - BOX.right);
  const y = scale([...all, ...series.ntk.mean, limit], BOX.height - BOX.bottom, BOX.top);
  const svg = axes(parent, x, y, decades(x.low, x.high), "time: learning rate × steps",
    "population risk E (f − f*)²", "Risk against time, a line for every width, and the NTK");
  for (const one of series.widths) {
    const good = one.time.map((_, i) => i).filter((i) => positive(one.time[i]) && positive(one.low[i]));
    if (good.length > 1) {
      const there = good.map((i) => `${x.place(one.time[i]).toFixed(2)} ${y.place(one.high[i]).toFixed(2)}`);
      const back = good.map((i) => `${x.place(one.time[i]).toFixed(2)} ${y.place(one.low[i]).toFixed(2)}`);
      const band = add(svg, "path", { class: "band", d: `M${[...there, ...back.reverse()].join("L")}Z` });
      band.style.fill = one.colour;
    }
    line(svg, "", one.time, one.mean, x, y, one.colour);
  }
  line(svg, "ntk", series.ntk.time, series.ntk.mean, x, y);
  if (positive(limit)) line(svg, "limit", [x.low, x.high], [limit, limit], x, y);
  const now = series.widths.at(-1).time[at];
  if (positive(now)) {
    const cx = x.place(now);
    add(svg, "line", { class: "now", x1: cx, x2: cx, y1: BOX.top, y2: BOX.height - BOX.bottom });
  }
  for (const one of series.widths) {
    if (positive(one.time[at]) && positive(one.mean[at])) {
      dot(svg, x.place(one.time[at]), y.place(one.mean[at]), one.colour);
    }
  }
}

function drawWidth(parent, series, at) {
  const widths = series.widths.map((one) => one.width);
  const limits = series.widths.map((one) => one.limit);
  // The range is that of all steps, so that the eye can follow one point from step to step.
  const all = series.widths.flatMap((one) => [...one.low, ...one.high, ...one.ntk]);
  const x = scale(widths, BOX.left + 14, BOX.width - BOX.right - 14);
  const y = scale([...all, ...limits], BOX.height - BOX.bottom, BOX.top);
  const svg = axes(parent, x, y, widths, "width N", "population risk E (f − f*)²",
    "Risk at the chosen step against width, and the NTK at the same time");
  line(svg, "limit", widths, limits, x, y);
  line(svg, "ntk", widths, series.widths.map((one) => one.ntk[at]), x, y);
  line(svg, "network", widths, series.widths.map((one) => one.mean[at]), x, y);
  for (const one of series.widths) {
    if (!positive(one.mean[at])) continue;
    const cx = x.place(one.width);
    if (positive(one.low[at])) {
      const ends = { x1: cx, x2: cx, y1: y.place(one.low[at]), y2: y.place(one.high[at]) };
      add(svg, "line", { class: "line network", ...ends });
    }
    dot(svg, cx, y.place(one.mean[at]), one.colour);
  }
}

function key(list, name, kind, colour) {
  const item = document.createElement("li");
  item.className = "chart";
  const svg = add(item, "svg", { viewBox: "0 0 32 10", "aria-hidden": "true" });
  const one = add(svg, "path", { class: `line ${kind}`, d: "M0 5L32 5" });
  if (colour) one.style.stroke = colour;
  item.append(name);
  list.append(item);
}

function fillTable(body, series, at) {
  body.replaceChildren(
    ...series.widths.map((one) => {
      const row = document.createElement("tr");
      const [mean, ntk] = [one.mean[at], one.ntk[at]];
      const ratio = positive(mean) && positive(ntk) ? mean / ntk : null;
      const values = [one.width, one.time[at], mean, one.low[at], one.high[at], ntk, ratio, one.limit];
      for (const value of values) row.insertCell().textContent = short(value);
      return row;
    }),
  );
}

for (const explorer of document.querySelectorAll(".explorer")) {
  const all = JSON.parse(document.getElementById(explorer.dataset.for).textContent);
  const find = (name) => explorer.querySelector(name);
  const [select, slider] = [find("select"), find("input[type=range]")];

  function show() {
    const series = all[Number(select.value)];
    const steps = series.widths[0].step;
    const at = Number(slider.value);
    find("output").textContent = `step ${steps[at]} (${at + 1} of ${steps.length})`;
    slider.setAttribute("aria-valuetext", `step ${steps[at]}`);
    for (const [name, draw] of [[".time", drawTime], [".chart.width", drawWidth]]) {
      find(name).replaceChildren();
      draw(find(name), series, at);
    }
    fillTable(find(".then").tBodies[0], series, at);
    const legend = find(".legend");
    legend.replaceChildren();
    for (const one of series.widths) key(legend, `network, N = ${one.width}`, "", one.colour);
    if (series.ntk.time.length) key(legend, "NTK, infinite width", "ntk");
    if (series.widths.some((one) => positive(one.limit))) key(legend, "smaller lazy limit", "limit");
  }

  function choose() {
    slider.max = all[Number(select.value)].widths[0].step.length - 1;
    slider.value = slider.max;
    show();
  }

  function move(by) {
    slider.value = Number(slider.value) + by;
    show();
  }

  select.addEventListener("change", choose);
  slider.addEventListener("input", show);
  find(".back").addEventListener("click", () => move(-1));
  find(".on").addEventListener("click", () => move(1));
  choose();
}
