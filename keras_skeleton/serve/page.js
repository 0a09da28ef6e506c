"use strict";
// The local page: sends files, asks how far the work is, and shows results. All text from files,
// networks and the server goes through textContent.

const POLL = 400; // milliseconds between two questions while there is work
const $ = (id) => document.getElementById(id);
const KINDS = $("file").accept.split(",");
const colours = {};
for (const item of document.querySelectorAll("#classes li")) {
  colours[item.dataset.label] = item.dataset.colour;
  item.style.setProperty("--colour", item.dataset.colour);
}
const state = { jobs: [], uploads: [], shown: null, drawn: "", timer: null };

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "style") for (const [k, v] of Object.entries(value)) node.style.setProperty(k, v);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

// ---------------------------------------------------------------- numbers as text

const percent = (p) => (p > 0.995 && p < 1 ? "> 99 %" : `${Math.round(100 * p)} %`);

function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const rest = ((tenths % 600) / 10).toFixed(1);
  return tenths < 600 ? `${rest} s` : `${Math.floor(tenths / 600)}:${rest.padStart(4, "0")}`;
}

const at = (place, end) =>
  place.start_s === null ? `frame ${place[end]}` : clock(place[`${end}_s`]);

function said(found) {
  return found.none ? "none of the network's actions" : found.label;
}

function ink(colour) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
  return 0.299 * r + 0.587 * g + 0.114 * b > 0.55 ? "#11151c" : "#fff";
}

const colourOf = (found) => colours[found.label] || "#808080";

// ---------------------------------------------------------------- the server

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    $("gone").hidden = false;
    throw error;
  }
  $("gone").hidden = true;
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error || `the server answered ${answer.status}`);
  return body;
}

async function refresh() {
  clearTimeout(state.timer);
  try {
    state.jobs = await ask("jobs");
    await draw();
  } catch (error) {
    console.warn(error.message);
  }
  clearTimeout(state.timer);
  const busy = state.jobs.some((job) => active(job));
  if (busy || !$("gone").hidden) state.timer = setTimeout(refresh, busy ? POLL : 3000);
}

const active = (job) => job.state === "waiting" || job.state === "working";

// ---------------------------------------------------------------- new files

function refuse(text) {
  $("refused").append(el("p", { className: "problem" }, text));
}

function send(files) {
  $("refused").replaceChildren();
  for (const file of files) {
    if (file.size > Number(document.body.dataset.mostBytes)) {
      refuse(`${file.name}: larger than ${document.body.dataset.mostText}; cut the film, or start ` +
             "the server with a larger --most-mb");
    } else if (!KINDS.some((kind) => file.name.toLowerCase().endsWith(kind))) {
      refuse(`${file.name}: neither a film nor a key-point file (${KINDS.join(" ")})`);
    } else upload(file);
  }
}

// fetch does not say how much of an upload is done; XMLHttpRequest does.
function upload(file) {
  const request = new XMLHttpRequest();
  const job = { id: `upload-${Math.random()}`, name: file.name, state: "waiting", share: 0,
                text: "copying the file", summary: "", error: "", seconds: 0, request };
  const before = state.shown;
  const gone = () => {
    state.uploads = state.uploads.filter((other) => other !== job);
    if (state.shown === job.id) state.shown = before;
  };
  request.upload.onprogress = (event) => {
    job.share = event.loaded / event.total;
    draw();
  };
  request.onload = () => {
    const shown = state.shown === job.id;
    gone();
    let body = {};
    try {
      body = JSON.parse(request.responseText);
    } catch { /* no JSON: said below */ }
    if (request.status === 201) {
      if (shown) show(body.id);
    } else refuse(body.error || `${file.name}: the server answered ${request.status}`);
    refresh();
  };
  request.onerror = () => {
    gone();
    refuse(`${file.name}: could not be sent to the server`);
    refresh();
  };
  request.onabort = () => {
    gone();
    refresh();
  };
  const query = new URLSearchParams({ name: file.name, layout: $("layout")?.value || "" });
  request.open("POST", `jobs?${query}`);
  request.send(file);
  state.uploads.push(job);
  show(job.id);
  draw();
}

$("file").addEventListener("change", (event) => {
  send(event.target.files);
  event.target.value = ""; // the same file can be chosen again
});
let depth = 0;
const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
addEventListener("dragenter", (event) => {
  if (hasFiles(event)) document.body.classList.toggle("dragging", ++depth > 0);
});
addEventListener("dragleave", (event) => {
  if (hasFiles(event)) document.body.classList.toggle("dragging", --depth > 0);
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dragging");
  send(event.dataTransfer.files);
});

// ---------------------------------------------------------------- the list and what is shown

function show(id) {
  state.shown = id;
  if (!id.startsWith("upload-")) history.replaceState(null, "", `#${id}`);
}

async function remove(job) {
  if (job.request) job.request.abort();
  else await ask(`jobs/${job.id}`, { method: "DELETE" }).catch((error) => refuse(error.message));
  refresh();
}

function stateOf(job) {
  if (job.state === "working") return `${Math.floor(100 * job.share)} %, ${job.text}`;
  return { waiting: job.text, done: job.summary, failed: "failed", cancelled: "cancelled" }[job.state];
}

function drawList(jobs) {
  $("list").hidden = !jobs.length;
  const seen = new Set();
  for (const job of [...jobs].reverse()) {
    seen.add(job.id);
    let item = [...$("jobs").children].find((node) => node.dataset.id === job.id);
    if (!item) {
      item = el("li", {},
        el("button", { type: "button", className: "open", onclick: () => { show(job.id); draw(); } },
          el("span", { className: "name" }, job.name), el("span", { className: "state" })),
        el("button", { type: "button", className: "drop",
                       onclick: () => remove(item.job) }, "\u00d7"));
      item.dataset.id = job.id;
      $("jobs").prepend(item);
    }
    item.job = job;
    item.className = job.state;
    item.querySelector(".state").textContent = stateOf(job);
    item.querySelector(".open").setAttribute("aria-current", job.id === state.shown);
    const what = active(job) ? "Cancel" : "Delete";
    item.querySelector(".drop").title = what;
    item.querySelector(".drop").setAttribute("aria-label", `${what} ${job.name}`);
  }
  for (const node of [...$("jobs").children]) if (!seen.has(node.dataset.id)) node.remove();
  const order = [...jobs].reverse().map((job) => job.id);
  const now = [...$("jobs").children].map((node) => node.dataset.id);
  if (order.join() !== now.join()) {
    for (const id of order) $("jobs").append([...$("jobs").children].find((n) => n.dataset.id === id));
  }
}

async function draw() {
  const jobs = [...state.jobs, ...state.uploads];
  const hash = location.hash.slice(1);
  if (!state.shown && jobs.some((job) => job.id === hash)) state.shown = hash;
  drawList(jobs);
  document.body.classList.toggle("used", jobs.length > 0);
  const job = jobs.find((other) => other.id === state.shown);
  if (!job) {
    if (state.drawn) location.hash ? history.replaceState(null, "", "./") : null;
    if (state.drawn) $("job").replaceChildren();
    state.drawn = "";
    return;
  }
  const kind = `${job.id} ${active(job) ? "active" : job.state}`;
  if (kind !== state.drawn) {
    let panels;
    if (active(job)) panels = [progressPanel(job)];
    else if (job.state === "done") {
      const whole = await ask(`jobs/${job.id}`).catch(() => null);
      if (!whole || job.id !== state.shown) return;
      panels = resultPanels(whole);
    } else panels = [endPanel(job)];
    state.drawn = kind;
    $("job").replaceChildren(...panels);
  }
  if (active(job)) drawProgress(job);
}

// ---------------------------------------------------------------- progress and ends

function progressPanel(job) {
  return el("section", { className: "panel working", "aria-label": "Progress" },
    el("div", { className: "name-line" }, el("h2", {}, job.name),
      el("button", { type: "button", className: "cancel", onclick: (event) => {
        event.target.disabled = true;
        remove([...state.jobs, ...state.uploads].find((other) => other.id === job.id) || job);
      } }, "Cancel")),
    el("progress", { max: 1, value: 0, "aria-label": `Progress of ${job.name}` }),
    el("p", { className: "doing" }, el("span", { className: "text" }),
      el("span", { className: "left" })));
}

function drawProgress(job) {
  const bar = $("job").querySelector("progress");
  const known = job.share > 0 || job.state === "working";
  if (known) bar.value = job.share;
  $("job").querySelector(".text").textContent = job.text;
  const left = job.seconds * (1 / job.share - 1);
  const told = job.state === "working" && job.seconds > 2 && job.share > 0.02;
  $("job").querySelector(".left").textContent =
    (job.share > 0 ? `${Math.floor(100 * job.share)} %` : "") +
    (told ? `, about ${left < 90 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left` : "");
}

function endPanel(job) {
  const hint = job.error.includes("--skeleton")
    ? "The joint layout can be chosen in the options of this page; then give the file again." : "";
  return el("section", { className: "panel ended" },
    el("div", { className: "name-line" }, el("h2", {}, job.name)),
    job.state === "failed"
      ? el("p", { className: "problem", role: "alert" }, job.error)
      : el("p", { role: "status" }, "Cancelled; the file and what was found have been deleted."),
    hint && el("p", { className: "small" }, hint));
}

// ---------------------------------------------------------------- results

function sentence(part) {
  const rest = part.ranking.slice(1).filter(([, p]) => p >= 0.005)
    .map(([label, p]) => `${label === "none" ? "none of them" : label} ${percent(p)}`);
  return el("div", { className: "part" },
    el("p", { className: "said" },
      part.title && el("span", { className: "who" }, `${part.title}:`),
      el("span", { className: "label" }, said(part)),
      el("span", { className: "percent" }, percent(part.probability)),
      part.unsure ? el("span", { className: "unsure" }, `unsure: ${part.doubts.join(", ")}`) : null),
    rest.length ? el("p", { className: "ranking" }, `then ${rest.join(", ")}`) : null);
}

function resultPanels(job) {
  const { answer } = job;
  const file = (kind) => `jobs/${job.id}/files/${kind}`;
  const stem = job.name.replace(/\.[^.]*$/, "");
  const video = answer.files.overlay
    ? el("video", { src: file("overlay"), controls: true, preload: "auto", playsInline: true,
                    muted: true, "aria-label": `${job.name} with skeletons and labels` }) : null;
  video?.addEventListener("loadedmetadata", () => {
    if (video.videoHeight) video.style.setProperty("--shape", video.videoWidth / video.videoHeight);
  });
  const times = timeline(answer, video);
  const pages = answer.parts.map((part, k) => ({ part, k })).filter(({ part }) => part.page);
  const panels = [
    el("section", { className: "panel summary", "aria-live": "polite" },
      el("div", { className: "name-line" }, el("h2", {}, job.name)),
      ...answer.parts.map(sentence)),
    video || times.rows.length ? el("section", { className: `panel view${video ? "" : " still"}`,
                    "aria-label": video ? "Film and timeline" : "Timeline" },
      video ? el("div", {}, video, unplayable(video)) : null, times.node) : null,
    times.rows.length ? actions(times, answer.parts.length > 1) : null,
    video && !times.rows.length
      ? el("section", { className: "panel small" }, "No action became likely enough for a place " +
           "on the timeline; the label above is the best guess for all frames.") : null,
  ].filter(Boolean);
  if (answer.notes.length) {
    panels.push(el("section", { className: "panel" }, el("h2", {}, "Notes"),
      el("ul", { className: "notes" }, ...answer.notes.map((note) => el("li", {}, note)))));
  }
  const names = { overlay: "Film with labels", csv: "Predictions, CSV", json: "Predictions, JSON",
                  keypoints: "Key points" };
  panels.push(el("section", { className: "panel" }, el("h2", {}, "Download"),
    el("div", { className: "downloads" },
      ...Object.entries(answer.files).map(([kind, suffix]) =>
        el("a", { className: "button", href: file(kind), download: stem + suffix }, names[kind])),
      ...pages.map(({ part, k }) =>
        el("a", { className: "button", href: `jobs/${job.id}/attention/${k}`,
                  download: `${stem}${pages.length > 1 ? `_${k}` : ""}_attention.html` },
          pages.length > 1 ? `Attention, ${part.title}` : "Attention page")))));
  if (pages.length) panels.push(attention(job, pages, answer.parts.length > 1));
  return panels;
}

function unplayable(video) {
  const text = el("p", { className: "small note", hidden: true },
    "This browser cannot play the film; download it below and open it in a player.");
  video.addEventListener("error", () => { text.hidden = false; });
  return text;
}

function attention(job, pages, several) {
  const frame = el("iframe", { title: "Attention of the network", sandbox: "allow-scripts",
                               loading: "lazy", src: `jobs/${job.id}/attention/${pages[0].k}` });
  const choice = pages.length > 1
    ? el("select", { "aria-label": "Clip", onchange: (event) => {
        frame.src = `jobs/${job.id}/attention/${event.target.value}`;
      } }, ...pages.map(({ part, k }) => el("option", { value: k }, part.title))) : null;
  const whose = several && pages.length === 1 ? `, ${pages[0].part.title.toLowerCase()}` : "";
  return el("section", { className: "panel", "aria-label": "Attention" },
    el("div", { className: "name-line" }, el("h2", {}, `Where the network looked${whose}`), choice),
    frame);
}

// ---------------------------------------------------------------- the timeline

function timeline(answer, video) {
  const seconds = answer.parts.every((part) => part.start_s !== null);
  const rate = seconds ? answer.parts[0].end / answer.parts[0].end_s : 1;
  const length = Math.max(...answer.parts.map((part) => (seconds ? part.end_s : part.end)),
    video || !seconds ? answer.frames / rate : 0);
  const place = (thing, end) => (seconds ? thing[`${end}_s`] : thing[end]);
  const left = (thing) => `${(100 * place(thing, "start")) / length}%`;
  const width = (thing) => `${(100 * (place(thing, "end") - place(thing, "start"))) / length}%`;
  const go = (time) => {
    if (!video) return;
    // Half a frame later, so that the frame itself is shown and not the one before.
    video.currentTime = Math.min(time + (time > 0 ? 0.5 / rate : 0), video.duration || time);
    move();
  };
  const rows = [];
  const lines = answer.parts.map((part) => {
    const bars = el("div", { className: "bars", onclick: (event) => {
      if (event.target.closest(".action")) return;
      const box = bars.getBoundingClientRect();
      go((length * (event.clientX - box.left)) / box.width);
    } }, el("span", { className: "seen", style: { left: left(part), width: width(part) } }));
    for (const found of part.segments) {
      const words = `${said(found)}, ${at(found, "start")} to ${at(found, "end")}, ` +
        `${percent(found.probability)}${found.unsure ? ", unsure" : ""}`;
      const node = el(video ? "button" : "span", {
        className: `action${found.unsure ? " unsure" : ""}`, title: words, "aria-label": words,
        style: { left: left(found), width: width(found), "--colour": colourOf(found),
                 "--ink": ink(colourOf(found)) },
        onclick: () => go(place(found, "start")),
      }, found.label + (found.unsure ? " ?" : ""));
      if (video) node.type = "button";
      bars.append(node);
      rows.push({ part, found, node, go: () => go(place(found, "start")), row: null, video });
    }
    return el("div", { className: "line" },
      part.title && el("span", { className: "who" }, part.title), bars);
  });
  const head = el("div", { className: "head", hidden: !video });
  const node = el("div", { className: "times" }, ...lines, axis(length, seconds), head);

  function move() {
    const now = video.currentTime;
    head.style.left = `${(100 * Math.min(now, length)) / length}%`;
    for (const { found, node: bar, row } of rows) {
      const on = now >= found.start_s && now < found.end_s;
      bar.classList.toggle("now", on);
      row?.classList.toggle("now", on);
    }
  }
  if (video) {
    const follow = () => {
      if (!video.isConnected) return;
      move();
      if (!video.paused) requestAnimationFrame(follow);
    };
    video.addEventListener("play", follow);
    for (const event of ["timeupdate", "seeked"]) video.addEventListener(event, move);
    move();
  }
  return { node, rows };
}

function axis(length, seconds) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = seconds ? steps.find((s) => length / s <= 6) || 3600
    : Math.max(1, 10 ** Math.ceil(Math.log10(length / 6)));
  const ticks = [];
  for (let k = 0; k * step <= length * 0.96; k++) ticks.push(k * step);
  const text = (tick) => {
    if (!seconds) return tick ? `${tick}` : "frame 0";
    if (length < 60) return `${Number(tick.toFixed(1))} s`;
    return `${Math.floor(tick / 60)}:${String(Math.round(tick % 60)).padStart(2, "0")}`;
  };
  return el("div", { className: "axis", "aria-hidden": "true" },
    ...ticks.map((tick) => el("span", { style: { left: `${(100 * tick) / length}%` } }, text(tick))));
}

function actions(times, several) {
  const body = times.rows.map((entry) => {
    const { part, found, video } = entry;
    entry.row = el("tr", {},
      several ? el("td", {}, part.title) : null,
      el("td", {}, el("span", { className: "dot", style: { "--colour": colourOf(found) } }),
        said(found), found.unsure ? " (unsure)" : ""),
      el("td", { className: "number" }, video
        ? el("button", { type: "button", onclick: entry.go, title: "Show this moment" },
            at(found, "start"))
        : at(found, "start")),
      el("td", { className: "number" }, at(found, "end")),
      el("td", { className: "number" }, percent(found.probability)));
    return entry.row;
  });
  const number = (text) => el("th", { className: "number", scope: "col" }, text);
  const head = el("tr", {}, several ? el("th", { scope: "col" }, "Who") : null,
    el("th", { scope: "col" }, "Action"), number("from"), number("to"), number("prob."));
  return el("section", { className: "panel" }, el("h2", {}, "Actions"),
    el("div", { className: "scroll" },
      el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))));
}

refresh().then(() => { document.body.dataset.ready = "yes"; });
