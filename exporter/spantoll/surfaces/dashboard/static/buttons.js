"use strict";
// Copies texts, and saves a chart as PNG: its bars are drawn again on a canvas, in the colours of the page, with its
// title and the sentence that describes it. The policy of the page allows no image but its own, so
// the SVG itself cannot be loaded as one.
const PICTURE = { width: 1200, height: 400, margin: 24, line: 24, font: "16px system-ui, sans-serif" };

/** Return the lines of a pattern as a fill. */
function makeFill(context, pattern) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const lines = tile.getContext("2d");
  const path = document.querySelector(`[id="${pattern}"] path`);
  lines.strokeStyle = getComputedStyle(path).stroke;
  lines.lineWidth = 2;
  lines.stroke(new Path2D(path.getAttribute("d")));
  return context.createPattern(tile, "repeat");
}

/** Draw the bars and lines of an SVG from the origin, so wide and so high. */
function drawShapes(context, svg, width, height) {
  const box = svg.viewBox.baseVal;
  const [scaleX, scaleY] = [width / box.width, height / box.height];
  for (const shape of svg.querySelectorAll(":scope > rect, :scope > line, :scope > polyline")) {
    const style = getComputedStyle(shape);
    const read = (name, scale) => Number(shape.getAttribute(name)) * scale;
    if (shape.localName !== "rect") {
      context.strokeStyle = style.stroke;
      context.lineWidth = 2;
      context.setLineDash(style.strokeDasharray.match(/\d+/g)?.map(Number) ?? []);
      context.beginPath();
      const x = read("x1", scaleX);
      const ends = [[x, 0], [x, height]];
      const places = shape.points ? [...shape.points].map((at) => [at.x * scaleX, at.y * scaleY]) : ends;
      for (const place of places) context.lineTo(...place);
      context.stroke();
      continue;
    }
    const pattern = shape.getAttribute("fill")?.match(/#(.*)\)/)?.[1];
    context.fillStyle = pattern ? makeFill(context, pattern) : style.fill;
    context.globalAlpha = Number(style.fillOpacity);
    context.fillRect(read("x", scaleX), read("y", scaleY), read("width", scaleX), read("height", scaleY));
    context.globalAlpha = 1;
  }
}

/** Return the entries of the legend of a chart. */
function listLegend(plot) {
  const legend = plot.nextElementSibling;
  return legend?.matches(".legend") ? [...legend.children] : [];
}

function wrap(context, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

function drawPicture(plot) {
  const svg = plot.querySelector("svg.chart");
  const { width, height, margin, line, font } = PICTURE;
  const canvas = document.createElement("canvas");
  let context = canvas.getContext("2d");
  context.font = font;
  const sentence = wrap(context, svg.getAttribute("aria-label"), width);
  const legend = listLegend(plot);
  canvas.width = width + 2 * margin;
  canvas.height = height + 2 * margin + line * (2 + legend.length + sentence.length);
  context = canvas.getContext("2d"); // a change of its size resets it
  context.font = font;
  const page = getComputedStyle(document.body);
  context.fillStyle = page.backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.translate(margin, margin);
  context.fillStyle = page.color;
  context.fillText(plot.closest("section").querySelector("h2").textContent, 0, line / 2);
  context.translate(0, line);
  drawShapes(context, svg, width, height);
  context.translate(0, height + line);
  for (const key of legend) {
    context.translate(0, -12);
    drawShapes(context, key.querySelector("svg"), 12, 12);
    context.translate(0, 12);
    context.fillStyle = page.color;
    context.fillText(key.textContent.trim(), 20, 0);
    context.translate(0, line);
  }
  context.fillStyle = page.color;
  sentence.forEach((text, index) => context.fillText(text, 0, index * line));
  return canvas;
}

/** Show the buttons that need a script; a page has a clipboard on this machine or over HTTPS. */
function showButtons() {
  const usable = navigator.clipboard ? "[data-png], [data-copy]" : "[data-png]";
  for (const button of document.querySelectorAll(usable)) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const copied = event.target.closest("[data-copy]");
  if (copied) {
    await navigator.clipboard.writeText(copied.dataset.copy);
    copied.textContent = "Copied";
  }
  const button = event.target.closest("[data-png]");
  if (!button) return;
  const plot = document.querySelector(`[data-plot="${CSS.escape(button.dataset.png)}"]`);
  drawPicture(plot).toBlob((picture) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${button.dataset.png}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
});
// A page that refreshes itself replaces its content.
new MutationObserver(showButtons).observe(document.body, { childList: true, subtree: true });
showButtons();
