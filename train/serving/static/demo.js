"use strict";

const ROLES = ["person", "garment"];
const KINDS = { upper: "Tops", lower: "Trousers and skirts", dress: "Dresses" };
const STAGES = { base: "first", sr256: "second", sr1024: "third" };
const POLL = 500;
const STRIP = 12;

const $ = (id) => document.getElementById(id);
const photographs = { person: null, garment: null };
const previews = { person: "", garment: "" };
const earlier = [];
let catalogue = null;
let kind = "";
let job = "";

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const box = (role) => document.querySelector(`[data-role=${role}]`);
const chosen = (role) => document.querySelector(`input[name=${role}]:checked`)?.value ?? "";

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the server does not respond; is it still running?");
  }
  const said = await answer.json().catch(() => ({ error: `the server returned ${answer.status}` }));
  if (!answer.ok) throw new Error(said.error);
  return said;
}

const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

function showError(text) {
  $("error").textContent = sentence(text);
  $("error").hidden = !text;
}

function pill(name, value, text, checked, change) {
  const input = make("input", { type: "radio", name, value, checked });
  input.addEventListener("change", change);
  return make("label", { class: "pill" }, input, text);
}

function tile(role, value, source, name, checked, mark = "") {
  const input = make("input", { type: "radio", name: role, value, checked, "aria-label": name });
  input.addEventListener("change", refresh);
  const image = make("img", { src: source, alt: "", loading: "lazy", width: 128, height: 128 });
  return make("label", { class: "tile", title: name }, input, image, ...(mark ? [make("span", { class: "mark" }, mark)] : []));
}

function showTiles(role) {
  const before = chosen(role);
  const listed = catalogue.kinds[kind][role].map((entry) =>
    tile(role, String(entry.id), `/api/${role}/${entry.id}`, `${role} ${entry.name}`, String(entry.id) === before));
  if (photographs[role])
    listed.unshift(tile(role, "photograph", previews[role], `your photograph of the ${role}`, before === "photograph", "yours"));
  box(role).querySelector(".tiles").replaceChildren(...listed);
}

function showKinds() {
  const kinds = Object.keys(catalogue.kinds);
  kind = kinds[0];
  $("kinds").hidden = kinds.length < 2;
  $("kinds").append(...kinds.map((name) => pill("kind", name, KINDS[name], name === kind, () => {
    kind = name;
    ROLES.forEach(showTiles);
    refresh();
  })));
}

function refresh() {
  const missing = ROLES.filter((role) => !chosen(role));
  $("dress").disabled = missing.length > 0 || job !== "";
  $("missing").textContent = missing.length ? `Choose a ${missing.join(" and a ")}.` : "";
}

function showUploads({ state, why, bytes }) {
  const hints = {
    checking: "Checking whether photographs can be used…",
    ready: `At most ${bytes / 2 ** 20} MB; full figure, upright, on a plain background.`,
    off: "",
  };
  for (const role of ROLES) {
    box(role).querySelector(".own").hidden = state === "off";
    box(role).querySelector("[type=file]").disabled = state !== "ready";
    box(role).querySelector(".hint").textContent = hints[state];
  }
  $("no-uploads").hidden = state !== "off";
  $("why").textContent = sentence(why);
  if (state === "checking") setTimeout(async () => showUploads((await ask("/api/catalogue")).uploads), 2000);
}

function takePhotograph(role, file) {
  showError("");
  if (!file) return;
  if (file.size > catalogue.uploads.bytes)
    return showError(`the photograph has ${(file.size / 2 ** 20).toFixed(1)} MB; ${catalogue.uploads.bytes / 2 ** 20} MB is the maximum`);
  photographs[role] = file;
  URL.revokeObjectURL(previews[role]);
  previews[role] = URL.createObjectURL(file);
  showTiles(role);
  const own = box(role).querySelector("[value=photograph]");
  own.checked = true;
  own.scrollIntoView({ block: "nearest" });
  refresh();
}

async function send(event) {
  event.preventDefault();
  showError("");
  const form = new FormData();
  form.set("kind", kind);
  form.set("seed", $("seed").value);
  for (const role of ROLES) {
    if (chosen(role) === "photograph") form.set(`${role}_photograph`, photographs[role], "photograph");
    else form.set(role, chosen(role));
  }
  const names = ROLES.map((role) => document.querySelector(`input[name=${role}]:checked`).getAttribute("aria-label"));
  try {
    job = "sent";
    refresh();
    ({ id: job } = await ask("/api/jobs", { method: "POST", body: form }));
    $("progress").hidden = false;
    $("result").focus({ preventScroll: true });
    $("result").scrollIntoView({ block: "nearest" });
    await follow(names);
  } catch (error) {
    showError(error.message);
  }
  job = "";
  $("progress").hidden = true;
  $("status").textContent = "";
  $("empty").hidden = !$("figure").hidden || !$("error").hidden;
  refresh();
}

async function follow(names) {
  $("empty").hidden = true;
  for (;;) {
    const said = await ask(`/api/jobs/${job}`);
    if (said.state === "done") return show({ names, said });
    if (said.state === "failed") throw new Error(said.error);
    if (said.state === "cancelled") return;
    showProgress(said);
    await new Promise((done) => setTimeout(done, POLL));
  }
}

function showProgress({ state, place, seconds, expected }) {
  if (state === "running" && expected) $("bar").value = Math.min(0.97, seconds / expected);
  else $("bar").removeAttribute("value");
  const about = expected ? `, of about ${Math.max(1, Math.round(expected))} s` : "";
  const line = state === "waiting" ? `${place} ahead of yours` : `${Math.round(seconds)} s${about}`;
  if ($("status").textContent !== line) $("status").textContent = line;
}

function show(result) {
  if (!earlier.includes(result)) {
    earlier.unshift(result);
    earlier.splice(STRIP);
  }
  const { names, said } = result;
  const views = said.pictures.map(({ stage, size, url }) =>
    ({ name: stage, label: `${STAGES[stage]}, ${size}²`, width: size, height: size, url }));
  if (said.photograph) views.push({ name: "photograph", label: "whole photograph", ...said.photograph });
  const last = views.length - 1;
  const view = (number) => {
    const { url, width, height } = views[number];
    $("picture").src = url;
    $("picture").width = width;
    $("picture").height = height;
    $("picture").alt = `${names[0]} in ${names[1]}`;
    $("caption").textContent = `${width} × ${height} pixels, ${said.seconds} s`;
    $("download").href = url;
    $("download").download = `dressed-${width === height ? width : `${width}x${height}`}.png`;
  };
  $("stages").replaceChildren($("stages").firstElementChild, ...views.map(({ name, label }, number) =>
    pill("stage", name, label, number === last, () => view(number))));
  $("stages").hidden = views.length < 2;
  view(last);
  $("told").replaceChildren(...Object.entries(said.told).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  $("figure").hidden = false;
  $("earlier").hidden = earlier.length < 2;
  $("strip").replaceChildren(...earlier.map((other) => {
    const image = make("img", { src: other.said.pictures.at(-1).url, alt: "", width: 72, height: 72 });
    const button = make("button", { type: "button", "aria-label": `${other.names[0]} in ${other.names[1]}`, "aria-pressed": String(other === result) }, image);
    button.addEventListener("click", () => show(other));
    return make("li", {}, button);
  }));
}

async function begin() {
  try {
    catalogue = await ask("/api/catalogue");
  } catch (error) {
    return showError(error.message);
  }
  const sizes = Object.values(catalogue.stages);
  $("about").textContent = `A cascade of ${sizes.map((size) => `${size}²`).join(" → ")} pixels dresses the person in the garment.`;
  showKinds();
  ROLES.forEach(showTiles);
  showUploads(catalogue.uploads);
  for (const role of ROLES)
    box(role).querySelector("[type=file]").addEventListener("change", (event) => takePhotograph(role, event.target.files[0]));
  $("form").addEventListener("submit", send);
  $("cancel").addEventListener("click", () => ask(`/api/jobs/${job}`, { method: "DELETE" }).catch((error) => showError(error.message)));
  refresh();
}

begin();
