"use strict";
// Values of the bars under the pointer or the arrow keys, and a range of bars as the period of the
// page. Without this script each bar has its title, and the table below has the links.
const plot = { chart: null, anchor: 0, current: 0, pressed: false };

/** Return the bars of a chart from left to right, those of one window together. */
function findColumns(chart) {
  const columns = new Map();
  for (const bar of chart.querySelectorAll("rect.bar")) {
    const title = bar.querySelector("title");
    if (title) {
      bar.dataset.text = title.textContent;
      title.remove(); // or the browser would show it beside the value
    }
    const x = bar.x.baseVal.value;
    columns.set(x, [...(columns.get(x) ?? []), bar]);
  }
  return [...columns.values()];
}

function findColumnAt(chart, clientX) {
  const svg = chart.querySelector("svg");
  const box = svg.getBoundingClientRect();
  const x = ((clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
  const begins = findColumns(chart).map((bars) => bars[0].x.baseVal.value);
  return Math.max(0, begins.findLastIndex((begin) => begin <= x));
}

/** Show the values of a column, and mark the range from `anchor` to it. */
function show(chart, anchor, current) {
  const columns = findColumns(chart);
  if (!columns.length) return;
  Object.assign(plot, { chart, anchor, current });
  const [first, last] = [Math.min(anchor, current), Math.max(anchor, current)];
  columns.forEach((bars, index) => {
    const marked = index >= first && index <= last;
    bars.forEach((bar) => bar.classList.toggle("on", marked));
  });
  const tip = chart.querySelector(".tip");
  tip.textContent = columns[current].map((bar) => bar.dataset.text).join("\n");
  if (first !== last) tip.textContent += "\nEnter or release: show these windows";
  const share = (current + 0.5) / columns.length;
  tip.style.left = `${share * 100}%`;
  tip.style.transform = `translateX(${share * -100}%)`;
  tip.hidden = false;
}

function hide() {
  if (!plot.chart) return;
  for (const bar of plot.chart.querySelectorAll(".on")) bar.classList.remove("on");
  plot.chart.querySelector(".tip").hidden = true;
  Object.assign(plot, { chart: null, pressed: false });
}

/** Go to the records of one column, or to this page over a range of them. */
function follow(bar) {
  const columns = findColumns(plot.chart);
  const [first, last] = [plot.anchor, plot.current].sort((a, b) => a - b);
  if (first === last) {
    const { link, windowLink } = columns[first][0].dataset;
    const address = bar?.dataset.link ?? windowLink ?? link;
    if (address) location.assign(address);
    return;
  }
  const [begins, ends] = [first, last].map((index) => {
    return new URL(columns[index][0].dataset.link, location).searchParams;
  });
  if (!begins.has("from") || !ends.has("to")) return;
  const zoomed = new URL(location);
  zoomed.searchParams.delete("last");
  zoomed.searchParams.set("from", begins.get("from"));
  zoomed.searchParams.set("to", ends.get("to"));
  location.assign(zoomed);
}

function findChart(event) {
  return event.target.closest?.("[data-plot]");
}

document.addEventListener("pointermove", (event) => {
  const chart = findChart(event);
  if (plot.chart && chart !== plot.chart && !plot.pressed) hide();
  if (!chart || (plot.pressed && chart !== plot.chart)) return;
  const current = findColumnAt(chart, event.clientX);
  show(chart, plot.pressed ? plot.anchor : current, current);
});
document.addEventListener("pointerdown", (event) => {
  const chart = findChart(event);
  if (!chart || event.button !== 0) return;
  const current = findColumnAt(chart, event.clientX);
  show(chart, current, current);
  plot.pressed = true;
});
document.addEventListener("pointerup", (event) => {
  if (!plot.pressed || findChart(event) !== plot.chart) return hide();
  plot.pressed = false;
  follow(event.target.closest("rect.bar"));
});
document.addEventListener("pointercancel", hide);
document.addEventListener("focusin", (event) => {
  const chart = findChart(event);
  if (chart && !plot.pressed) show(chart, 0, 0);
});
document.addEventListener("focusout", (event) => {
  if (findChart(event)) hide();
});
document.addEventListener("keydown", (event) => {
  const chart = findChart(event);
  if (!chart || chart !== plot.chart) return;
  const last = findColumns(chart).length - 1;
  const steps = { ArrowLeft: plot.current - 1, ArrowRight: plot.current + 1, Home: 0, End: last };
  if (event.key in steps) {
    event.preventDefault();
    const current = Math.min(last, Math.max(0, steps[event.key]));
    show(chart, event.shiftKey ? plot.anchor : current, current);
  } else if (event.key === "Enter") {
    follow();
  } else if (event.key === "Escape") {
    show(chart, plot.current, plot.current);
  }
});
