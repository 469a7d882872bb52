"use strict";
// Each track is a media element that feeds a gain. The elements are started while the audio context stands still, so that
// all of them begin with it, at one sample; a timer holds them together should a browser do otherwise.

const STEP = 5, TICK = 40;
const find = (selector, root = document) => root.querySelector(selector);
const main = find("main"), seconds = Number(main.dataset.seconds);
const play = find("#play"), position = find("#position"), loopButton = find("#loop"), status = find("#status");
const tracks = [...document.querySelectorAll(".track")].map((row) => ({
  row, label: row.dataset.label, role: row.dataset.role, audio: new Audio(), gain: null,
  solo: find(".solo", row), mute: find(".mute", row), volume: find(".volume", row),
}));
const loop = { on: false, from: 0, to: seconds };
let context = null, playing = false, chosen = tracks[0];
let runs = 0; // counts starts and stops: the latest wins
let wanted = null, seeking = false;

// Sound

function load(track, script) {
  const text = atob(script.textContent), bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
  script.remove();
  track.audio.preload = "auto";
  track.audio.preservesPitch = false;
  track.audio.src = URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" }));
  return new Promise((resolve, reject) => {
    track.audio.addEventListener("canplay", resolve, { once: true });
    track.audio.addEventListener("error", () => reject(new Error(`${track.label} cannot be decoded.`)), { once: true });
  });
}

function wake() {
  if (!context) {
    context = new AudioContext();
    for (const track of tracks) {
      track.gain = context.createGain();
      context.createMediaElementSource(track.audio).connect(track.gain).connect(context.destination);
    }
    mix();
  }
  context.resume(); // within the user's gesture, without which browsers stay silent
  context.suspend();
}

async function start() {
  const run = ++runs;
  wake();
  playing = true;
  show();
  const started = Promise.all(tracks.map((track) => track.audio.play()));
  started.catch((error) => run === runs && (stop(), say(`The browser does not play: ${error.message}`)));
  await Promise.race([started, new Promise((resolve) => setTimeout(resolve, 500))]).catch(() => {});
  if (run === runs) await context.resume();
}

function stop() {
  runs++;
  playing = false;
  if (context) context.suspend();
  for (const track of tracks) track.audio.pause();
}

function clock() {
  return wanted ?? tracks[0].audio.currentTime;
}

async function seek(time) {
  wanted = Math.min(Math.max(time, 0), seconds);
  show();
  if (seeking) return; // the one under way goes on to where we want now
  seeking = true;
  const again = playing;
  stop();
  playing = again;
  for (let goal = null; goal !== wanted; ) {
    goal = wanted;
    await Promise.all(tracks.map((track) => move(track.audio, goal)));
  }
  wanted = null;
  seeking = false;
  if (playing) await start();
  show();
}

function move(audio, time) {
  return new Promise((resolve) => {
    audio.addEventListener("seeked", resolve, { once: true });
    audio.playbackRate = 1;
    audio.currentTime = time;
  });
}

// Far off, jump; a little off, run faster or slower for a while; five milliseconds nobody hears.
function hold(audio, now) {
  const late = now - audio.currentTime;
  if (Math.abs(late) > 0.5) audio.currentTime = now;
  else audio.playbackRate = Math.abs(late) > 0.005 ? 1 + Math.min(Math.max(late, -0.1), 0.1) : 1;
}

function tick() {
  if (!playing || seeking) return;
  const now = clock();
  if (loop.on && (now >= loop.to || tracks[0].audio.ended)) return void seek(loop.from);
  if (tracks[0].audio.ended) {
    stop();
    say("The end");
  }
  for (const track of tracks.slice(1)) if (!track.audio.ended) hold(track.audio, now);
  show();
}

// Mixing

const pressed = (button) => button.getAttribute("aria-pressed") === "true";
const press = (button, on) => button.setAttribute("aria-pressed", String(on));

function mix() {
  const alone = tracks.some((track) => pressed(track.solo));
  for (const track of tracks) {
    const heard = alone ? pressed(track.solo) : !pressed(track.mute);
    track.row.classList.toggle("silent", !heard);
    track.volume.setAttribute("aria-valuetext", `${Math.round(100 * track.volume.value)} %`);
    if (track.gain) track.gain.gain.setTargetAtTime(heard ? Number(track.volume.value) : 0, context.currentTime, 0.01);
  }
}

function toggle(track, button, word) {
  press(button, !pressed(button));
  mix();
  say(`${track.label}: ${word} ${pressed(button) ? "on" : "off"}`);
}

function only(track) {
  const on = track && !(pressed(track.solo) && tracks.filter((other) => pressed(other.solo)).length === 1);
  for (const other of tracks) press(other.solo, on && other === track);
  mix();
  say(on ? `Only ${track.label}` : "No solo");
}

function louder(track, step) {
  track.volume.value = Number(track.volume.value) + step;
  mix();
  say(`${track.label}: volume ${Math.round(100 * track.volume.value)} %`);
}

function choose(track) {
  chosen = track;
  for (const other of tracks) other.row.setAttribute("aria-current", String(other === track));
}

// What is seen and said

function time(at) {
  const tenths = Math.floor(10 * at + 1e-6);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

function say(text) {
  status.textContent = text;
}

function show() {
  const now = clock();
  play.textContent = playing ? "Pause" : "Play";
  find("#now").textContent = time(now);
  position.value = now;
  position.setAttribute("aria-valuetext", `${time(now)} of ${time(seconds)}`);
  main.style.setProperty("--now", now / seconds);
}

function showLoop() {
  press(loopButton, loop.on);
  main.style.setProperty("--from", loop.from / seconds);
  main.style.setProperty("--to", loop.to / seconds);
  for (const track of tracks) find(".span", track.row).hidden = !loop.on;
  say(loop.on ? `Loop from ${time(loop.from)} to ${time(loop.to)}` : "Loop off");
}

// What the user does

async function playOrPause() {
  if (play.disabled) return;
  if (playing) {
    stop();
    say(`Paused at ${time(clock())}`);
  } else {
    say("Playing");
    if (clock() >= seconds - 0.05) await seek(0);
    await start();
  }
  show();
}

function mark(from, to) {
  if (to - from < 0.1) return say("A loop must end after it begins.");
  Object.assign(loop, { on: true, from, to });
  showLoop();
}

const markFrom = () => mark(clock(), loop.to > clock() + 0.1 ? loop.to : seconds);
const markTo = () => mark(loop.from < clock() ? loop.from : 0, clock());

function toggleLoop() {
  loop.on = !loop.on;
  showLoop();
}

function step(by) {
  const row = Math.min(Math.max(tracks.indexOf(chosen) + by, 0), tracks.length - 1);
  choose(tracks[row]);
  chosen.row.focus();
}

function alone(event) {
  const role = event.shiftKey ? "reference" : "solo";
  const track = tracks.filter((each) => each.role === role)[Number(event.code.slice(-1)) - 1];
  if (track) choose(track);
  if (track || event.code.endsWith("0")) only(track);
}

const keys = {
  " ": playOrPause,
  ArrowLeft: (event) => seek(clock() - (event.shiftKey ? 1 : STEP)),
  ArrowRight: (event) => seek(clock() + (event.shiftKey ? 1 : STEP)),
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  Home: () => seek(0),
  End: () => seek(seconds),
  s: () => toggle(chosen, chosen.solo, "solo"),
  m: () => toggle(chosen, chosen.mute, "mute"),
  a: markFrom,
  b: markTo,
  l: toggleLoop,
  "+": () => louder(chosen, 0.1),
  "-": () => louder(chosen, -0.1),
};

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const onSlider = event.target.matches("input") && /^(Arrow|Home|End)/.test(event.key);
  if (onSlider || (event.key === " " && event.target.matches("button"))) return; // theirs already
  const digit = /^(Digit|Numpad)\d$/.test(event.code);
  const action = digit ? alone : keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  event.preventDefault();
  action(event);
}

function listen() {
  play.addEventListener("click", playOrPause);
  find("#from").addEventListener("click", markFrom);
  find("#to").addEventListener("click", markTo);
  loopButton.addEventListener("click", toggleLoop);
  position.addEventListener("input", () => seek(Number(position.value)));
  document.addEventListener("keydown", onKey);
  for (const track of tracks) {
    track.solo.addEventListener("click", () => toggle(track, track.solo, "solo"));
    track.mute.addEventListener("click", () => toggle(track, track.mute, "mute"));
    track.volume.addEventListener("input", mix);
    track.row.addEventListener("focusin", () => choose(track));
    find(".picture", track.row).addEventListener("click", (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * seconds);
    });
  }
}

async function open() {
  listen();
  mix();
  choose(chosen);
  try {
    const scripts = [...document.querySelectorAll("script.sound")];
    await Promise.all(tracks.map((track, k) => load(track, scripts[k])));
    play.disabled = false;
    say("Ready to play");
    setInterval(tick, TICK);
  } catch (error) {
    say(error.message);
  }
}

open();
