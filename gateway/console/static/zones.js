"use strict";
// A camera's zones, lines and masks over its picture, and a technician's pencil. Nothing is sent: what is drawn becomes text for the site file.

const LEAST_AREA = 0.001, WIDTH = 480, STEP = 0.005, FAR = 0.05;
const sheet = document.getElementById("sheet"), pencil = document.getElementById("pencil");
const there = JSON.parse(sheet.dataset.shapes), isPolygon = (kind) => kind !== "line";
let height = 270;

// --- the rule of gateway/config/polygon.py, in the same order; a browser test compares the two ----------------------------

function turn(a, b, c) { return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]); }

function misdrawn(corners) {
  const sides = corners.map((corner, i) => [corner, corners[(i + 1) % corners.length]]);
  for (let i = 0; i < sides.length; i++) {
    const [a, b] = sides[i];
    for (const [c, d] of sides.slice(i + 2, sides.length - (i === 0 ? 1 : 0))) {
      if (turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0) return "cross";
    }
  }
  const area = Math.abs(sides.reduce((sum, [a, b]) => sum + a[0] * b[1] - b[0] * a[1], 0)) / 2;
  return area < LEAST_AREA ? "small" : "";
}

// --- what is seen -------------------------------------------------------------------------------------------------------

function piece(name, holder, kind) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", name);
  if (kind) one.setAttribute("class", kind);
  holder.append(one);
  return one;
}
const path = (corners) => corners.map(([x, y]) => `${x * WIDTH},${y * height}`).join(" ");
const [given, added] = [piece("g", sheet, "given"), piece("g", sheet, "added")];

function draw(layer, shapes) {
  layer.replaceChildren();
  for (const shape of [...shapes].sort((one, other) => (other.kind === "mask") - (one.kind === "mask"))) { // names stay readable
    piece(isPolygon(shape.kind) ? "polygon" : "polyline", layer, shape.kind).setAttribute("points", path(shape.corners));
    const name = piece("text", layer), [x, y] = shape.corners[0];
    name.setAttribute("x", Math.min(x * WIDTH + 4, WIDTH - 60));
    name.setAttribute("y", Math.max(y * height - 6, 16));
    name.textContent = shape.id || sheet.dataset.mask;
  }
}
let show = () => draw(given, there);

sheet.closest("figure").querySelector("img").addEventListener("load", (event) => {
  const { naturalWidth, naturalHeight } = event.target;
  const fits = naturalWidth ? WIDTH * naturalHeight / naturalWidth : height;
  if (fits === height) return;
  height = fits;
  sheet.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  show();
});

// --- the pencil ---------------------------------------------------------------------------------------------------------

if (pencil) {
  const field = (name) => document.getElementById(`draw-${name}`), says = pencil.dataset;
  const line = piece("polyline", sheet, "now"), handles = piece("g", sheet, "handles");
  const past = [];
  let done = [], corners = [], chosen = -1;

  const kind = () => field("kind").value, name = () => kind() === "mask" ? "" : field("id").value.trim();
  const within = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000; // what is judged is what is written
  const keep = () => past.push(JSON.stringify({ done, corners, kind: kind(), id: field("id").value }));

  function problem() {
    if (kind() === "line" && (corners.length !== 2 || String(corners[0]) === String(corners[1]))) return says.two;
    if (isPolygon(kind()) && corners.length < 3) return says.few;
    const wrong = isPolygon(kind()) ? misdrawn(corners) : "";
    if (wrong) return says[wrong];
    if (kind() === "mask") return "";
    if (!new RegExp(says.pattern).test(name())) return says.badId;
    return [...there, ...done].some((one) => one.id === name()) ? says.sameId : "";
  }

  const pair = ([x, y]) => `[${x.toFixed(3)}, ${y.toFixed(3)}]`, list = (all) => `[${all.map(pair).join(", ")}]`;
  function text(shapes) {
    const masks = shapes.filter((one) => one.kind === "mask"), rest = shapes.filter((one) => one.kind !== "mask");
    const rows = shapes.length ? [`# cameras: ${says.camera}`] : [];
    if (masks.length) {
      const all = [...there.filter((one) => one.kind === "mask"), ...masks];
      rows.push(`# ${says.masksHere}`, `masks = [${all.map((one) => list(one.corners)).join(", ")}]`, "");
    }
    if (rest.length) rows.push(`# ${says.restHere}`);
    for (const one of rest) {
      if (one.kind === "zone") rows.push("[[cameras.zones]]", `id = "${one.id}"`, `polygon = ${list(one.corners)}`, "");
      else rows.push("[[cameras.lines]]", `id = "${one.id}"`, `start = ${pair(one.corners[0])}`, `end = ${pair(one.corners[1])}`, "");
    }
    return rows.join("\n");
  }

  show = () => {
    draw(given, there);
    draw(added, done);
    line.setAttribute("points", path(isPolygon(kind()) && corners.length > 2 ? [...corners, corners[0]] : corners));
    while (handles.children.length > corners.length) handles.lastChild.remove();
    while (handles.children.length < corners.length) handle();
    corners.forEach(([x, y], i) => {
      const one = handles.children[i];
      one.setAttribute("cx", x * WIDTH);
      one.setAttribute("cy", y * height);
      one.setAttribute("aria-label", `${says.corner} ${i + 1}: ${x.toFixed(3)}, ${y.toFixed(3)}`);
    });
    const wrong = problem();
    field("id").disabled = kind() === "mask";
    field("undo").disabled = !past.length;
    field("delete").disabled = !corners.length && !done.length;
    field("finish").disabled = Boolean(wrong);
    const said = wrong && (corners.length || !done.length) ? wrong : says.good;
    if (field("said").textContent !== said) field("said").textContent = said;
    field("text").value = text(wrong ? done : [...done, { kind: kind(), id: name(), corners }]);
  };

  // A corner: it takes the focus, is dragged, and moves by the arrow keys.
  function handle() {
    const one = piece("circle", handles), number = () => [...handles.children].indexOf(one);
    let held = false, moved = false;
    for (const [key, value] of [["r", 11], ["tabindex", 0], ["role", "button"]]) one.setAttribute(key, value);
    one.addEventListener("focus", () => { chosen = number(); });
    one.addEventListener("pointerdown", (event) => { held = true; moved = false; one.setPointerCapture(event.pointerId); });
    one.addEventListener("pointermove", (event) => {
      if (!held) return;
      if (!moved) { keep(); moved = true; }
      corners[number()] = at(event);
      show();
    });
    for (const end of ["pointerup", "pointercancel"]) one.addEventListener(end, () => { held = false; });
    one.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way && event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      if (!way) { remove(number()); return; }
      keep();
      const far = event.shiftKey ? FAR : STEP;
      corners[number()] = corners[number()].map((value, axis) => within(value + way[axis] * far));
      show();
    });
  }
  function at(event) {
    const box = sheet.getBoundingClientRect();
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }
  function add(corner) {
    if (kind() === "line" && corners.length === 2) return;
    keep();
    corners.push(corner);
    show();
    handles.lastChild.focus({ preventScroll: true });
  }
  // The corner that was chosen, else the last one; without corners what was finished last.
  function remove(number) {
    keep();
    if (corners.length) corners.splice(number >= 0 && number < corners.length ? number : -1, 1);
    else done.pop();
    chosen = -1;
    show();
    (handles.lastChild || field("add")).focus({ preventScroll: true });
  }

  sheet.addEventListener("click", (event) => { if (!handles.contains(event.target)) add(at(event)); });
  field("add").addEventListener("click", () => {
    const [[x, y], next] = [corners.at(-1) || [0.4, 0.4], corners.length > 1 ? corners[0] : null];
    add(next ? [within((x + next[0]) / 2), within((y + next[1]) / 2 + FAR)] : [within(x + (corners.length ? 0.2 : 0)), y]);
  });
  field("undo").addEventListener("click", () => {
    const before = JSON.parse(past.pop());
    ({ done, corners } = before);
    field("kind").value = before.kind;
    field("id").value = before.id;
    show();
  });
  field("delete").addEventListener("click", () => remove(chosen));
  field("finish").addEventListener("click", () => {
    keep();
    done = [...done, { kind: kind(), id: name(), corners }];
    corners = [];
    chosen = -1;
    field("id").value = "";
    show();
    field("kind").focus();
  });
  field("kind").addEventListener("change", () => show());
  field("id").addEventListener("input", () => show());
  field("copy").addEventListener("click", async () => {
    let copied = true;
    try { await navigator.clipboard.writeText(field("text").value); }
    catch { field("text").select(); copied = document.execCommand("copy"); } // without TLS a browser has no clipboard
    if (copied) field("said").textContent = says.copied;
  });
  pencil.dataset.ready = "yes";
}
show();
