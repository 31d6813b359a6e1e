// The player: loads a head, runs its worker, draws, and listens to mouse, touch, keys and sliders.
import { bytesOf, decodeHead, HeadError, readHeader, unpack } from "./head_file.js";
import { Performer } from "./performer.js";
import { Renderer } from "./renderer.js";

const MOST_ORBIT = { yaw: 60, pitch: 30 };
const SLIDERS = [["smile", 0, 1], ["jaw", 0, 1], ["brows", 0, 1], ["blink", 0, 1], ["look_right", -1, 1], ["look_up", -1, 1]];
const LABELS = { smile: "Smile", jaw: "Open mouth", brows: "Raise brows", blink: "Close eyes", look_right: "Look aside", look_up: "Look up" };
const MOST_PIXELS = 1024;

export class Player {
  constructor(root, headerText, block, workerUrl) {
    Object.assign(this, { root, headerText, block, workerUrl, pending: new Map(), next: 0, spare: null });
    this.playing = false;
    this.started = performance.now();
    this.paused = 0;
    this.busy = false;
    this.times = { sort: 0, draw: 0, frames: 0 };
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  async load() {
    const header = readHeader(this.headerText);
    const data = await unpack(this.block, header.length);
    this.head = decodeHead(header, data);
    this.performer = new Performer(this.head);
    this.part("consent").textContent = `${header.made} ${header.consent}`;
    const pictures = {};
    for (const [name, entry, type] of [
      ["background", header.plates.background, "image/jpeg"],
      ["torso", header.plates.torso, "image/jpeg"],
      ["torsoAlpha", header.plates.torso_alpha, "image/png"],
    ]) {
      const blob = new Blob([bytesOf(entry, data)], { type });
      pictures[name] = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    }
    this.canvas = this.part("canvas");
    this.renderer = new Renderer(this.canvas, this.head.rasterizer, this.head.plates, pictures);
    if (header.sound) {
      this.sound = new Audio(URL.createObjectURL(new Blob([bytesOf(header.sound, data)], { type: header.sound.type })));
      this.sound.addEventListener("ended", () => this.pause());
    }
    this.worker = new Worker(this.workerUrl);
    await new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data: answer }) => (answer.error ? reject(new HeadError(answer.error)) : resolve());
      this.worker.onerror = (event) => reject(new Error(event.message));
      this.worker.postMessage({ header, data });
    });
    this.worker.onmessage = ({ data: answer }) => this.answered(answer);
    this.controls();
    this.fit();
    new ResizeObserver(() => this.fit()).observe(this.part("stage"));
    return this;
  }

  // Ask the worker for a moment and draw it; resolves when it is in the canvas.
  show(moment) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      const spare = this.spare ?? {};
      this.spare = null;
      const buffers = spare.splats ? [spare.splats.buffer, spare.warp.buffer] : [];
      this.worker.postMessage({ ...moment, ...spare, id }, buffers);
    });
  }

  answered(answer) {
    const { resolve, reject } = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    if (answer.error) {
      reject(new HeadError(answer.error));
      return;
    }
    const start = performance.now();
    this.renderer.draw(answer);
    this.times.sort += answer.milliseconds;
    this.times.draw += performance.now() - start;
    this.times.frames++;
    this.spare = { splats: answer.splats, warp: answer.warp };
    resolve(answer);
  }

  // Seconds of the motion, by its sound where it has one.
  now() {
    if (!this.playing) return this.paused;
    if (this.sound) return this.sound.currentTime;
    const time = (performance.now() - this.started) / 1000;
    return this.performer.seconds ? time % this.performer.seconds : time;
  }

  async play() {
    if (!this.performer.seconds) return;
    if (this.paused >= this.performer.seconds - 0.05) this.paused = 0;
    if (this.sound) {
      this.sound.currentTime = this.paused;
      await this.sound.play().catch(() => (this.sound = null)); // no sound device: the motion plays on
    }
    this.started = performance.now() - 1000 * this.paused;
    this.playing = this.active = true;
    this.part("play").textContent = "Pause";
  }

  pause() {
    this.paused = this.now();
    this.playing = false;
    this.active = this.paused < this.performer.seconds - 0.05;
    this.sound?.pause();
    this.part("play").textContent = "Play";
  }

  // Draw for ever; a frame that is not ready is left out, never queued.
  run() {
    const begin = performance.now();
    const step = () => {
      if (!this.busy && !this.held) {
        this.busy = true;
        const moment = this.active
          ? this.performer.at(this.now(), true)
          : this.performer.at((performance.now() - begin) / 1000, false);
        if (this.active && this.performer.seconds) this.part("time").value = this.now() / this.performer.seconds;
        this.show(moment).then(() => (this.busy = false), (error) => fail(this.root, error));
      }
      this.request = requestAnimationFrame(step);
    };
    step();
  }

  fit() {
    const { width, height } = this.part("stage").getBoundingClientRect();
    const side = Math.max(128, Math.min(width, height));
    this.canvas.style.width = this.canvas.style.height = `${side}px`;
    const pixels = this.fixed ?? Math.min(MOST_PIXELS, Math.round(side * (globalThis.devicePixelRatio || 1)));
    this.renderer.resize(pixels);
  }

  turn(yaw, pitch) {
    const { orbit } = this.performer;
    orbit.yaw = Math.max(-MOST_ORBIT.yaw, Math.min(MOST_ORBIT.yaw, orbit.yaw + yaw));
    orbit.pitch = Math.max(-MOST_ORBIT.pitch, Math.min(MOST_ORBIT.pitch, orbit.pitch + pitch));
  }

  controls() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragged = [event.clientX, event.clientY];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.dragged) return;
      const scale = 120 / canvas.clientWidth;
      this.turn(scale * (event.clientX - this.dragged[0]), scale * (event.clientY - this.dragged[1]));
      this.dragged = [event.clientX, event.clientY];
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (this.dragged = null));
    canvas.addEventListener("dblclick", () => (this.performer.orbit = { yaw: 0, pitch: 0 }));
    const keys = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] };
    canvas.addEventListener("keydown", (event) => {
      if (keys[event.key]) this.turn(...keys[event.key]);
      else if (event.key === " ") this.toggle();
      else if (event.key === "Home") this.performer.orbit = { yaw: 0, pitch: 0 };
      else return;
      event.preventDefault();
    });
    const bar = this.part("bar");
    bar.hidden = !this.performer.seconds;
    this.part("play").addEventListener("click", () => this.toggle());
    this.part("time").addEventListener("input", (event) => {
      this.paused = event.target.value * this.performer.seconds;
      this.active = true;
      if (this.playing) this.play();
    });
    for (const [name, least, most] of SLIDERS) {
      const label = document.createElement("label");
      const slider = Object.assign(document.createElement("input"), { type: "range", min: least, max: most, step: 0.01, value: 0 });
      slider.dataset.control = name;
      slider.addEventListener("input", () => (this.performer.sliders[name] = Number(slider.value)));
      slider.addEventListener("dblclick", () => (this.performer.sliders[name] = slider.value = 0));
      label.append(LABELS[name], slider);
      this.part("sliders").append(label);
    }
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }
}

export function fail(root, error) {
  const message = root.querySelector('[data-part="message"]');
  message.textContent = error instanceof HeadError ? error.message : `This head cannot be shown here: ${error.message}`;
  message.hidden = false;
}

// Start the player on a page that holds the head in elements of its own.
export async function start(root) {
  try {
    const text = document.getElementById("head-block").textContent;
    const bytes = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
    const script = new Blob([document.getElementById("worker").textContent], { type: "text/javascript" });
    const header = document.getElementById("head-header").textContent;
    const player = await new Player(root, header, bytes, URL.createObjectURL(script)).load();
    globalThis.mggtalk = player;
    player.run();
    root.dataset.ready = "yes";
  } catch (error) {
    fail(root, error);
  }
}
