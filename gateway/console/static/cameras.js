"use strict";
// One picture of each camera a second, while somebody looks at this page. What is shown last stays no longer than it is true.

const tiles = document.querySelector(".tiles");
const EACH_MS = 1000, TRUE_MS = 6000;

for (const figure of tiles.querySelectorAll("figure")) {
  const image = figure.querySelector("img"), empty = figure.querySelector(".empty");
  let shown = 0, asked = 0;

  function look() {
    if (!document.hidden && !asked) {
      asked = Date.now();
      image.src = `/cameras/${encodeURIComponent(figure.dataset.camera)}/tile.jpg?at=${asked}`;
    }
    if (shown && Date.now() - shown > TRUE_MS) gone();
  }
  function gone() {
    const at = shown && new Date(shown).toLocaleTimeString(tiles.dataset.language, { timeZone: tiles.dataset.zone, hour12: false });
    empty.textContent = at ? `${tiles.dataset.none} · ${tiles.dataset.last} ${at}` : tiles.dataset.none;
    empty.hidden = false;
    image.hidden = true;
  }
  image.addEventListener("load", () => { shown = Date.now(); asked = 0; image.hidden = false; empty.hidden = true; });
  image.addEventListener("error", () => { asked = 0; if (!shown || Date.now() - shown > TRUE_MS) gone(); });
  setInterval(look, EACH_MS);
  look();
}
