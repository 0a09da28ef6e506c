"use strict";
// The player of attention_page.html: it selects the frame that Plotly draws.
(() => {
  const view = JSON.parse(document.getElementById("view").textContent);
  const at = (id) => document.getElementById(id);
  const [scene, timeline, box] = [at("scene"), at("timeline"), at("time-box")];
  const [play, slider, speed, clock] = [at("play"), at("slider"), at("speed"), at("clock")];
  const T = view.points.length;
  const last = T - 1;

  // ------------------------------------------------------------------ one frame

  // Joints of absent bodies are null; Plotly draws nothing there.
  function joints(t) {
    const xyz = [[], [], []];
    for (const point of view.points[t]) {
      for (let c = 0; c < 3; c++) xyz[c].push(point ? point[c] : null);
    }
    return xyz;
  }

  function bones(xyz) {
    return xyz.map((values) => view.bones.flatMap(([a, b]) => [values[a], values[b], null]));
  }

  function glow(t) {
    if (!view.shares) return {};
    const share = view.shares[t];
    const part = share.map((s) => Math.min(1, s / view.top));
    return {
      "marker.color": [undefined, share, share],
      "marker.size": [undefined, part.map((p) => 9 + 41 * p), part.map((p) => 9 + 9 * p)],
    };
  }

  let drawing = false;
  let wanted = null;
  async function drawScene(t) {
    wanted = t;
    if (drawing) return; // the latest frame is drawn next, frames in between are skipped
    drawing = true;
    try {
      while (wanted !== null) {
        const frame = wanted;
        wanted = null;
        const points = joints(frame);
        const lines = bones(points);
        const [x, y, z] = [0, 1, 2].map((c) => [lines[c], points[c], points[c]]);
        await Plotly.restyle(scene, { x, y, z, ...glow(frame) }, [0, 1, 2]);
      }
    } finally {
      drawing = false;
    }
  }

  // ------------------------------------------------------------------ the camera

  // Plotly ignores dragging for half a second after each drawing, so a playing skeleton could not
  // be rotated. This code moves the camera around the vertical axis instead.
  let camera = {};
  let looking = false;
  let from = "front"; // name of the view; null once the camera has been moved by hand

  // The axes' numbers take space that a phone does not have.
  const narrow = () => scene.clientWidth < 560;
  const titles = ["xaxis", "yaxis", "zaxis"].map((name) =>
    [name, view.scene.layout.scene[name].title.text]);
  function labels(on) {
    return Object.fromEntries(titles.flatMap(([name, title]) => [
      [`scene.${name}.showticklabels`, on],
      [`scene.${name}.title.text`, on ? title : ""],
    ]));
  }

  // The camera as near as the box around the bodies, and its labels, fit. Plotly's angle of view is
  // 45 degrees vertically; the box has the edges of `aspectratio` and its middle in the origin.
  function named(name) {
    const minus = (a, b) => a.map((value, k) => value - b[k]);
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    const unit = (a) => a.map((value) => value / Math.hypot(...a));
    const eye = view.views[name];
    const back = unit([eye.x, eye.y, eye.z]);
    const right = unit([-back[1], back[0], 0]);
    const up = [-back[2] * right[1], back[2] * right[0], back[0] * right[1] - back[1] * right[0]];
    const [width, height] = [scene.clientWidth, scene.clientHeight];
    const [beside, above, below] = narrow() ? [10, 8, 8] : [64, 12, 52];
    const angle = Math.tan(Math.PI / 8);
    const across = angle * Math.max(0.2, (width - 2 * beside) / height);
    const along = angle * Math.max(0.2, (height - above - below) / height);
    const { x, y, z } = view.scene.layout.scene.aspectratio;
    const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((k) =>
      [k & 1 ? x / 2 : -x / 2, k & 2 ? y / 2 : -y / 2, k & 4 ? z / 2 : -z / 2]);
    const far = Math.max(...corners.map((corner) => dot(corner, back) +
      Math.max(Math.abs(dot(corner, right)) / across, Math.abs(dot(corner, up)) / along)));
    // Space for the labels below: the camera looks that much lower.
    const lower = far * angle * (below - above) / height;
    const center = minus([0, 0, 0], up.map((value) => value * lower));
    const point = ([x, y, z]) => ({ x, y, z });
    return {
      up: { x: 0, y: 0, z: 1 },
      center: point(center),
      eye: point(minus(back.map((value) => value * far), up.map((value) => value * lower))),
    };
  }

  function look(changed) {
    camera = { ...camera, ...changed };
    if (looking) return;
    looking = true;
    requestAnimationFrame(() => {
      looking = false;
      Plotly.relayout(scene, { "scene.camera": camera, ...labels(!narrow()) });
    });
  }

  function turn(right, up, far = 1) {
    from = null;
    const { x, y, z } = camera.eye;
    const distance = Math.hypot(x, y, z);
    const around = Math.atan2(y, x) - right;
    const high = Math.max(-1.5, Math.min(1.5, Math.asin(z / distance) + up));
    const flat = Math.cos(high);
    const to = Math.max(0.3, Math.min(6, far * distance));
    const eye = [flat * Math.cos(around), flat * Math.sin(around), Math.sin(high)];
    look({ eye: { x: to * eye[0], y: to * eye[1], z: to * eye[2] } });
  }

  let held = [0, 0]; // last pointer position
  scene.addEventListener("pointerdown", (event) => {
    scene.setPointerCapture(event.pointerId);
    held = [event.clientX, event.clientY];
  });
  scene.addEventListener("pointermove", (event) => {
    if (!(event.buttons & 1)) return;
    const share = Math.PI / scene.clientHeight; // a drag over the full height is half a turn
    turn((event.clientX - held[0]) * share, (event.clientY - held[1]) * share);
    held = [event.clientX, event.clientY];
  });
  scene.addEventListener("wheel", (event) => {
    event.preventDefault();
    turn(0, 0, Math.exp(event.deltaY / 1000));
  }, { passive: false });
  for (const button of document.querySelectorAll("[data-view]")) {
    button.addEventListener("click", () => {
      from = button.dataset.view;
      look(named(from));
    });
  }

  // ------------------------------------------------------------------ the side panels

  const bars = view.classes.map((one) => {
    const row = document.createElement("div");
    row.className = one.true ? "bar true" : "bar";
    row.innerHTML = '<span class="name"></span><div class="track"><div class="fill"></div>' +
      '<div class="end"></div></div><span class="value"></span>';
    const name = row.querySelector(".name");
    name.textContent = name.title = (one.true ? "\u2713 " : "") + one.name;
    const end = row.querySelector(".end");
    end.hidden = !view.running || one.probability < 0.005;
    end.style.left = `calc(${100 * one.probability}% - 1px)`;
    at("bars").append(row);
    return { fill: row.querySelector(".fill"), value: row.querySelector(".value") };
  });

  function drawBars(t) {
    view.classes.forEach((one, i) => {
      const p = view.running ? view.running[t][i] : one.probability;
      bars[i].fill.style.width = `${100 * (p ?? 0)}%`;
      bars[i].value.textContent = p === null ? "\u2013" : `${(100 * p).toFixed(1)} %`;
    });
  }

  function drawAttended(t) {
    if (!view.shares) return;
    const order = view.points[t].map((point, k) => [point ? view.shares[t][k] : -1, k])
      .filter(([share]) => share >= 0).sort((a, b) => b[0] - a[0]).slice(0, 5);
    at("attended").replaceChildren(...order.map(([share, k]) => {
      const [row, name, value] = ["li", "span", "span"].map((tag) => document.createElement(tag));
      name.textContent = view.names[k];
      value.textContent = `${share.toFixed(2)} \u00d7`;
      value.className = "value";
      row.append(name, value);
      return row;
    }));
  }

  function clockText(t) {
    const frame = `frame ${t} / ${last}`;
    const second = view.fps ? `, ${(t / view.fps).toFixed(2)} s` : "";
    const weight = view.frames ? `, attention ${view.frames[t].toFixed(2)} \u00d7` : "";
    return frame + second + weight;
  }

  // ------------------------------------------------------------------ the timeline

  // Margins and range of the plot are fixed, so the position of a frame follows without Plotly.
  const { l, r, t: top, b } = view.margin;
  const [first, end] = view.range;
  const across = () => timeline.clientWidth - l - r;

  function drawPlayhead(t) {
    const head = at("playhead");
    head.style.left = `${l + (across() * (t - first)) / (end - first) - 1}px`;
    head.style.top = `${top}px`;
    head.style.height = `${timeline.clientHeight - top - b}px`;
  }

  function frameAt(event) {
    const x = event.clientX - timeline.getBoundingClientRect().left - l;
    return Math.round(first + ((end - first) * x) / across());
  }

  // ------------------------------------------------------------------ the player

  let shown = view.start; // nothing may glow in the first frame
  let untouched = true; // the first play begins at the first frame
  function show(t) {
    shown = Math.max(0, Math.min(last, t));
    slider.value = shown;
    clock.textContent = clockText(shown);
    drawPlayhead(shown);
    drawBars(shown);
    drawAttended(shown);
    drawScene(shown);
  }

  let began = null; // [time, frame] at which playback started
  let pending = 0; // id of the requested animation frame
  function step(now) {
    if (began === null) return;
    const passed = ((now - began[0]) / 1000) * (view.fps || 30) * Number(speed.value);
    // Hold the last frame for half a second, then start again.
    const pause = Math.round((view.fps || 30) * Number(speed.value) / 2);
    const t = Math.floor(began[1] + Math.max(0, passed)) % (T + pause);
    if (Math.min(t, last) !== shown) show(t);
    pending = requestAnimationFrame(step);
  }

  function setPlaying(on) {
    cancelAnimationFrame(pending);
    began = on ? [performance.now(), untouched || shown === last ? 0 : shown] : null;
    untouched = untouched && !on;
    play.textContent = on ? "\u275a\u275a Pause" : "\u25b6 Play";
    play.setAttribute("aria-pressed", String(on));
    if (on) pending = requestAnimationFrame(step);
  }

  function jump(t) {
    untouched = false;
    setPlaying(false);
    show(t);
  }

  play.addEventListener("click", () => setPlaying(began === null));
  slider.addEventListener("input", () => jump(Number(slider.value)));
  speed.addEventListener("change", () => setPlaying(began !== null));
  box.addEventListener("pointerdown", (event) => {
    box.setPointerCapture(event.pointerId);
    jump(frameAt(event));
  });
  box.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) jump(frameAt(event));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    if (event.key === " " && event.target.matches("button")) return; // the button is clicked
    const wide = event.shiftKey ? 10 : 1;
    const keys = {
      " ": () => setPlaying(began === null),
      ArrowLeft: () => jump(shown - wide),
      ArrowRight: () => jump(shown + wide),
      Home: () => jump(0),
      End: () => jump(last),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  });

  drawBars(shown); // fill the side panels first: their size determines that of the plots
  drawAttended(shown);
  const config = { displayModeBar: false };
  Promise.all([
    Plotly.newPlot(scene, view.scene.data, view.scene.layout, config),
    Plotly.newPlot(timeline, view.timeline.data, view.timeline.layout,
      { ...config, staticPlot: true }),
  ]).then(() => {
    look(named(from));
    show(shown);
    new ResizeObserver(async () => {
      await Plotly.Plots.resize(scene);
      look(from ? named(from) : {});
    }).observe(scene);
    new ResizeObserver(async () => {
      await Plotly.Plots.resize(timeline);
      drawPlayhead(shown);
    }).observe(box);
    document.body.dataset.ready = "true";
  }).catch((error) => {
    at("problem").textContent = `Cannot draw the skeleton: ${error.message || error}. ` +
      "A browser with WebGL is required.";
  });
})();
