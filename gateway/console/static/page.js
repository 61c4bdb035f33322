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
  } catch (error) { said.textContent = String(error); }
  said.hidden = false;
  form.password.value = "";
  form.password.focus();
});

// --- the desk ---------------------------------------------------------------------------------

const deeds = {}; // what further scripts of a page use: deeds.act(command, label), deeds.say(text)

if (desk) {
  let audio = null, sounding = false, beats = null;

  function beat() {
    if (!audio || audio.state !== "running") { byId("sound").hidden = false; return; }
    byId("sound").hidden = true;
    for (const [at, hertz] of [[0, 880], [0.22, 660]]) {
      const tone = audio.createOscillator(), gain = audio.createGain();
      tone.frequency.value = hertz; tone.type = "square"; gain.gain.value = 0.25;
      tone.connect(gain).connect(audio.destination);
      tone.start(audio.currentTime + at); tone.stop(audio.currentTime + at + 0.2);
    }
  }
  function sound(on) {
    sounding = on;
    desk.dataset.sounding = on ? "yes" : "no";
    if (on && !beats) { beat(); beats = setInterval(beat, 1000); }
    if (!on && beats) { clearInterval(beats); beats = null; byId("sound").hidden = true; }
  }
  function wake() {
    if (!audio) audio = new AudioContext();
    audio.resume().then(() => { if (sounding) beat(); });
  }
  addEventListener("pointerdown", wake);
  addEventListener("keydown", wake);

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
    for (const [id, html] of Object.entries(told.parts)) put(id, html);
    byId("site").textContent = told.site;
    sound(told.sounds);
    byId("lost").hidden = true;
    dispatchEvent(new CustomEvent("parts", { detail: told }));
    clearTimeout(silent); silent = setTimeout(lost, 5000);
  });
  events.addEventListener("out", () => location.replace("/sign-in"));
  events.onerror = () => { lost(); if (events.readyState === EventSource.CLOSED) setTimeout(anew, 2000); };
  // A browser tries again by itself unless it was told no: then its session is not known any more, or too many pages are open.
  async function anew() {
    try { await fetch("/sign-in", { method: "HEAD" }); location.reload(); } catch { setTimeout(anew, 2000); }
  }
  let silent = setTimeout(lost, 5000);
  function lost() { byId("lost").textContent = desk.dataset.lost; byId("lost").hidden = false; }

  let hush = null;
  function say(text) {
    byId("said").textContent = text; byId("said").hidden = false;
    clearTimeout(hush); hush = setTimeout(() => { byId("said").hidden = true; }, 6000);
  }
  // A word of success is said again on the page that is loaded anew.
  const kept = sessionStorage.getItem("said");
  if (kept) { sessionStorage.removeItem("said"); say(kept); }
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
      if (answer.status === 200) { say(`${desk.dataset.done}: ${label}`); return true; }
      if (answer.status === 403 && answer.said.again) {
        byId("again-password").value = "";
        if (!await ask(byId("again"))) return false;
        const back = await post("/again", { password: byId("again-password").value });
        if (back.status !== 200) say(back.said.error);
        continue;
      }
      if (answer.status === 401) { location.replace("/sign-in"); return false; }
      say(`${desk.dataset.refused}: ${answer.said.error}`);
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
    try { await act(body, button.textContent); } catch (error) { say(String(error)); } finally { button.disabled = false; }
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
    catch (error) { say(String(error)); }
    finally { if (button) button.disabled = false; }
  });
  Object.assign(deeds, { act, say });
  byId("sign-out").addEventListener("click", async () => { await post("/sign-out", {}); location.replace("/sign-in"); });
}
