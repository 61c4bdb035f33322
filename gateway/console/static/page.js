"use strict";
// The page keeps nothing: each part comes whole from the server and takes the place of the one before.

const desk = document.querySelector("body.desk");
const byId = (id) => document.getElementById(id);

async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (desk) headers["X-CSRF"] = desk.dataset.csrf;
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  return { status: answer.status, said: await answer.json() };
}

// --- signing in -------------------------------------------------------------------------------

const form = byId("sign-in");
if (form) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = byId("said");
  try {
    const answer = await post("/sign-in", { name: form.name.value, password: form.password.value });
    if (answer.status === 200) { location.replace("/"); return; }
    said.textContent = answer.said.error;
  } catch { said.textContent = document.body.dataset.lost; }
  said.hidden = false;
  form.password.value = "";
  form.password.focus();
});

// --- sound ------------------------------------------------------------------------------------

let audio = null, sounding = false, beats = null;

function beat() {
  if (!audio) audio = new AudioContext(); // it sounds at once where the person touched the page before this one
  byId("sound").hidden = audio.state === "running";
  if (audio.state !== "running") return;
  for (const [at, hertz] of [[0, 880], [0.22, 660]]) {
    const tone = audio.createOscillator(), gain = audio.createGain();
    tone.frequency.value = hertz; tone.type = "square"; gain.gain.value = 0.25;
    tone.connect(gain).connect(audio.destination);
    tone.start(audio.currentTime + at); tone.stop(audio.currentTime + at + 0.2);
  }
}
function sound(on) {
  sounding = on;
  document.body.dataset.sounding = on ? "yes" : "no";
  if (on && !beats) { beat(); beats = setInterval(beat, 1000); }
  if (!on && beats) { clearInterval(beats); beats = null; byId("sound").hidden = true; }
}
function wake() {
  if (!audio) audio = new AudioContext();
  audio.resume().then(() => { if (sounding) beat(); });
}
if (byId("sound")) {
  addEventListener("pointerdown", wake);
  addEventListener("keydown", wake);
}

// Nothing moves under a finger: what would change the page waits until it is lifted and its click has gone where it was meant to.
let pressed = null, waiting = [];
const FINGER_MS = 1500, CLICK_MS = 80; // a finger that stays longer is no touch of a button; a click follows the lifted finger
function still(change) { if (pressed) waiting.push(change); else change(); }
function lifted() {
  clearTimeout(pressed);
  pressed = null;
  for (const change of waiting.splice(0)) change();
}
addEventListener("pointerdown", () => { clearTimeout(pressed); pressed = setTimeout(lifted, FINGER_MS); }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => {
  if (pressed) { clearTimeout(pressed); pressed = setTimeout(lifted, CLICK_MS); }
}, true);

// --- the form for signing in tells that alarms stand, and sounds --------------------------------

const STANDING_MS = 2000;
if (form) {
  const show = (told) => still(() => {
    const standing = byId("standing"), lost = byId("lost");
    standing.hidden = !told.untaken;
    standing.querySelector(".count").textContent = told.untaken;
    lost.hidden = !told.lost;
    lost.textContent = told.lost;
    sound(told.untaken > 0);
  });
  const look = async () => {
    try {
      const answer = await fetch("/standing", { signal: AbortSignal.timeout(5000) });
      const told = await answer.json();
      show({ untaken: told.untaken, lost: told.away ? document.body.dataset.away : "" });
    } catch { show({ untaken: Number(byId("standing").querySelector(".count").textContent), lost: document.body.dataset.lost }); }
    setTimeout(look, STANDING_MS);
  };
  look();
}

// --- the desk ---------------------------------------------------------------------------------

const deeds = {}; // what further scripts of a page use: deeds.act(command, label), deeds.say(text)

if (desk) {
  function put(id, html) {
    const part = byId(id), held = document.activeElement;
    if (!part) return;
    const within = part.contains(held);
    part.innerHTML = html;
    if (within && !back(part, held)) part.querySelector("button")?.focus({ preventScroll: true });
  }
  // To what stands where this stood before its part was replaced.
  function back(part, held) {
    const same = (one) => one.dataset.act === held.dataset.act && one.dataset.target === held.dataset.target;
    const again = held.id && byId(held.id) || [...part.querySelectorAll("button")].find(same);
    again?.focus({ preventScroll: true });
    return !!again;
  }

  const events = new EventSource(`/events?parts=${desk.dataset.parts}`);
  events.addEventListener("parts", (event) => {
    const told = JSON.parse(event.data);
    still(() => {
      for (const [id, html] of Object.entries(told.parts)) put(id, html);
      byId("site").textContent = told.site;
      byId("lost").hidden = true;
      dispatchEvent(new CustomEvent("parts", { detail: told }));
    });
    sound(told.sounds);
    clearTimeout(silent); silent = setTimeout(lost, 5000);
  });
  events.addEventListener("out", () => location.replace("/sign-in"));
  events.onerror = () => { lost(); if (events.readyState === EventSource.CLOSED) setTimeout(anew, 2000); };
  // A browser tries again by itself unless it was told no: then its session is not known any more, or too many pages are open.
  async function anew() {
    try { await fetch("/sign-in", { method: "HEAD" }); location.reload(); } catch { setTimeout(anew, 2000); }
  }
  let silent = setTimeout(lost, 5000);
  function lost() { still(() => { byId("lost").textContent = desk.dataset.lost; byId("lost").hidden = false; }); }

  const READ_MS = 15000; // for what is more than "done"
  let hush = null;
  function say(text, forMs = 6000) {
    byId("said").textContent = text; byId("said").hidden = false;
    clearTimeout(hush); hush = setTimeout(() => { byId("said").hidden = true; }, forMs);
  }
  // A word of success is said again on the page that is loaded anew.
  const kept = sessionStorage.getItem("said");
  if (kept) { sessionStorage.removeItem("said"); say(kept, READ_MS); }
  function anewSaying() { sessionStorage.setItem("said", byId("said").textContent); location.reload(); }
  function ask(dialog) {
    const from = document.activeElement;
    return new Promise((resolve) => {
      dialog.returnValue = "";
      dialog.addEventListener("close", () => { if (!from.isConnected) back(document, from); resolve(dialog.returnValue === "ok"); }, { once: true });
      dialog.showModal();
    });
  }
  async function act(body, label) {
    for (;;) {
      const answer = await post("/act", body);
      if (answer.status === 200) {
        const further = answer.said.text;
        say(`${desk.dataset.done}: ${label}${further ? ` · ${further}` : ""}`, further ? READ_MS : undefined);
        return true;
      }
      if (answer.status === 403 && answer.said.again) {
        byId("again-password").value = "";
        if (!await ask(byId("again"))) return false;
        const back = await post("/again", { password: byId("again-password").value });
        if (back.status !== 200) say(back.said.error);
        continue;
      }
      if (answer.status === 401) { location.replace("/sign-in"); return false; }
      if (answer.said.unknown) say(answer.said.error, READ_MS); // sent, and nobody knows what became of it
      else say(`${desk.dataset.refused}: ${answer.said.error}`);
      return false;
    }
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-act]");
    if (!button) return;
    const body = { command: button.dataset.act, target: button.dataset.target };
    if (body.command === "shelve") {
      byId("reason-text").value = "";
      if (!await ask(byId("reason"))) return;
      body.why = byId("reason-text").value;
      body.for_s = 3600;
    }
    button.disabled = true;
    try { await act(body, button.textContent); } catch { say(desk.dataset.unknown, READ_MS); } finally { button.disabled = false; }
  });
  // A form that asks for a command: its fields are those of the command, `minutes` or `days` stand for `for_s`, `points` may be ticked.
  document.addEventListener("submit", async (event) => {
    const asking = event.target.closest("form[data-command]");
    if (!asking) return;
    event.preventDefault();
    const fields = new FormData(asking), body = { command: asking.dataset.command, target: asking.dataset.target || "" };
    for (const [name, value] of fields) {
      if (name === "points") (body.points ||= []).push(value);
      else if (name === "minutes") body.for_s = Number(value) * 60;
      else if (name === "days") body.for_s = Number(value) * 86400;
      else body[name] = value;
    }
    const button = event.submitter;
    if (button) button.disabled = true;
    try { if (await act(body, button ? button.textContent : body.command) && asking.dataset.then === "reload") anewSaying(); }
    catch { say(desk.dataset.unknown, READ_MS); }
    finally { if (button) button.disabled = false; }
  });
  Object.assign(deeds, { act, say });
  byId("sign-out").addEventListener("click", async () => { try { await post("/sign-out", {}); location.replace("/sign-in"); } catch { lost(); } });
}
