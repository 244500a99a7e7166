"use strict";

const ROLES = ["person", "garment"];
const KINDS = { upper: "Tops", lower: "Trousers and skirts", dress: "Dresses" };
const STAGES = { base: "first", sr256: "second", sr1024: "third" };
const POLL = 500;
const STRIP = 12;

const NAMES = { upper: "a top", lower: "trousers or a skirt", dress: "a dress" };
const IMAGES = {
  person: { shown: "Tinted: what will be painted anew. Lines: the pose.", regions: "The photograph, and the regions found in it." },
  garment: { shown: "The garment as it was cut out, and where the body's joints would be in it.", regions: "The photograph, and the outline found in it." },
};

const $ = (id) => document.getElementById(id);
const photographs = { person: null, garment: null };
const previews = { person: "", garment: "" };
const looking = { person: 0, garment: 0 };
const pending = { person: false, garment: false };
let uploads = { state: "checking" };
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
    setKind(name);
  })));
  $("garment-kind").replaceChildren(...kinds.map((name) => make("option", { value: name }, KINDS[name])));
  $("garment-kind").addEventListener("change", (event) => setKind(event.target.value));
}

function setKind(name, except = "") {
  kind = name;
  document.querySelector(`input[name=kind][value=${name}]`).checked = true;
  $("garment-kind").value = name;
  ROLES.forEach(showTiles);
  for (const role of ROLES)
    if (photographs[role] && role !== except) understand(role, name);
  refresh();
}

function refresh() {
  const missing = ROLES.filter((role) => !chosen(role));
  const waiting = ROLES.some((role) => pending[role] && chosen(role) === "photograph");
  $("dress").disabled = missing.length > 0 || job !== "" || waiting;
  $("missing").textContent = missing.length ? `Choose a ${missing.join(" and a ")}.` : "";
}

function showUploads(said) {
  uploads = said;
  const { state, why, bytes } = said;
  const hints = {
    checking: "Checking whether photographs can be used…",
    ready: `Or drop one here. At most ${bytes / 2 ** 20} MB; whole and upright, on a plain background.`,
    off: "",
  };
  for (const role of ROLES) {
    box(role).querySelector(".own").hidden = state === "off";
    box(role).querySelector("[type=file]").disabled = state !== "ready";
    const camera = box(role).querySelector(".camera");
    camera.hidden = !navigator.mediaDevices?.getUserMedia;
    camera.disabled = state !== "ready";
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
  understand(role, role === "person" ? kind : "");
}

async function understand(role, wanted) {
  const number = ++looking[role];
  const panel = box(role).querySelector(".understood");
  const line = panel.querySelector(".understanding");
  panel.hidden = false;
  panel.setAttribute("aria-busy", "true");
  panel.querySelector(".seen").replaceChildren();
  line.textContent = `Looking at your photograph of the ${role}…`;
  pending[role] = true;
  refresh();
  try {
    const form = new FormData();
    form.set("kind", wanted);
    form.set(`${role}_photograph`, photographs[role], "photograph");
    const { id } = await ask("/api/understand", { method: "POST", body: form });
    const said = await ended(id, () => looking[role] === number);
    if (!said) return;
    showUnderstood(role, said, wanted);
  } catch (error) {
    if (looking[role] !== number) return;
    forget(role);
    showError(error.message);
  }
  pending[role] = false;
  panel.removeAttribute("aria-busy");
  refresh();
}

async function ended(id, wanted) {
  for (;;) {
    const said = await ask(`/api/jobs/${id}`);
    if (!wanted()) {
      ask(`/api/jobs/${id}`, { method: "DELETE" }).catch(() => {});
      return null;
    }
    if (said.state === "failed") throw new Error(said.error);
    if (said.state === "cancelled") throw new Error("the server stopped looking at the photograph; use it again");
    if (said.state === "done") return said;
    await new Promise((done) => setTimeout(done, POLL));
  }
}

function showUnderstood(role, said, wanted) {
  const found = said.metadata.kind;
  const panel = box(role).querySelector(".understood");
  panel.querySelector(".seen").replaceChildren(...Object.entries(said.comparisons).map(([name, url]) =>
    make("figure", {}, make("img", { src: url, alt: IMAGES[role][name] }), make("figcaption", { class: "quiet" }, IMAGES[role][name]))));
  let line = role === "person" ? "This was understood of your photograph." : `This is understood as ${NAMES[found]}.`;
  if (role === "garment" && !wanted) {
    if (found in catalogue.kinds) {
      line += " If that is wrong, choose its kind here.";
      if (found !== kind) setKind(found, "garment");
    } else {
      line += ` This cascade has not learnt that kind; it will be dressed as ${NAMES[kind]}.`;
      setTimeout(() => understand("garment", kind));
    }
  }
  panel.querySelector(".understanding").textContent = line;
}

function forget(role) {
  photographs[role] = null;
  URL.revokeObjectURL(previews[role]);
  previews[role] = "";
  box(role).querySelector(".understood").hidden = true;
  box(role).querySelector("[type=file]").value = "";
  showTiles(role);
}

function takeDrops(role) {
  const zone = box(role);
  const over = (on) => zone.classList.toggle("over", on && uploads.state === "ready");
  zone.addEventListener("dragover", () => over(true));
  zone.addEventListener("dragleave", (event) => over(zone.contains(event.relatedTarget)));
  zone.addEventListener("drop", (event) => {
    over(false);
    if (uploads.state === "ready") takePhotograph(role, event.dataTransfer.files[0]);
    else showError("photographs cannot be used here");
  });
}

const camera = { role: "", stream: null, facing: "environment" };

async function openCamera(role) {
  camera.role = role;
  showError("");
  try {
    await startCamera();
    $("camera").showModal();
  } catch (error) {
    showError(`the camera cannot be used: ${error.message || error.name}`);
  }
}

async function startCamera() {
  stopCamera();
  const video = { facingMode: camera.facing, width: { ideal: 1920 }, height: { ideal: 1920 } };
  camera.stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  $("video").srcObject = camera.stream;
}

function stopCamera() {
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.stream = null;
  $("video").srcObject = null;
}

async function shoot() {
  const video = $("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const data = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  $("camera").close();
  if (data) takePhotograph(camera.role, new File([data], "camera.jpg", { type: "image/jpeg" }));
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
    const { url, width, height, name } = views[number];
    const before = name === "photograph" ? said.comparisons.whole : said.comparisons.square;
    $("picture").src = url;
    for (const hidden of ["before", "compared"]) $(hidden).hidden = !before;
    if (before) $("before").src = before;
    $("before").width = width;
    $("before").height = height;
    compare();
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
  $("metadata").replaceChildren(...Object.entries(said.metadata).map(([name, value]) =>
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

function compare() {
  const value = $("cut").value;
  $("compare").style.setProperty("--cut", `${100 - value}%`);
  $("cut").setAttribute("aria-valuetext", value === "0" ? "after" : value === "100" ? "before" : `the left ${value} % before, the rest after`);
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
  for (const role of ROLES) {
    takeDrops(role);
    box(role).querySelector(".camera").addEventListener("click", () => openCamera(role));
  }
  for (const dragged of ["dragover", "drop"]) addEventListener(dragged, (event) => event.preventDefault());
  $("shoot").addEventListener("click", shoot);
  $("turn").addEventListener("click", () => {
    camera.facing = camera.facing === "user" ? "environment" : "user";
    startCamera().catch((error) => showError(`the camera cannot be used: ${error.message || error.name}`));
  });
  $("leave").addEventListener("click", () => $("camera").close());
  $("camera").addEventListener("close", stopCamera);
  $("cut").addEventListener("input", compare);
  $("form").addEventListener("submit", send);
  $("cancel").addEventListener("click", () => ask(`/api/jobs/${job}`, { method: "DELETE" }).catch((error) => showError(error.message)));
  refresh();
}

begin();
