// The Live tab in the browser: takes the camera's frames or the microphone's sound, sends each piece by a request of
// its own, shows the answers.
// Runs once, when the component is there; `element` is its root. The page's buttons call window.mggtalkLive.

const LONGEST = 384; // side of what is sent, pixels
const QUALITY = 0.8; // of it as JPEG
const MOST_IN_FLIGHT = 5;
const AGAIN = 1500; // milliseconds until the seat is asked for again

const MOST_SAMPLES = 64000; // of sound in a request

// Averages what the microphone gives down to 16,000 samples a second, and hands them over in pieces of 20 ms.
const EAR = `registerProcessor("mggtalk-ear", class extends AudioWorkletProcessor {
  sum = 0; count = 0; phase = 0; samples = [];
  process([[channel]]) {
    for (const value of channel ?? []) {
      this.sum += value;
      this.count += 1;
      this.phase += 16000 / sampleRate;
      if (this.phase < 1) continue;
      this.samples.push(32767 * Math.max(-1, Math.min(1, this.sum / this.count)));
      this.sum = this.count = 0;
      this.phase -= 1;
    }
    if (this.samples.length >= 320) this.port.postMessage(Int16Array.from(this.samples.splice(0)));
    return true;
  }
})`;

const avatar = element.querySelector(".live-avatar");
const own = element.querySelector(".live-self");
const words = element.querySelector(".live-words");
const address = () => `${window.gradio_config?.root ?? "."}/live/frame.jpg`;

class Run {
  constructor(ticket) {
    this.ticket = ticket;
    this.number = this.shown = this.inFlight = 0;
    this.room = 2; // requests on their way: one is followed while the one before is drawn
    this.resumes = 0; // time before which nothing is sent
    this.delays = [];
    this.told = 0;
    this.fresh = false; // whether something has come since the last was sent
    this.over = false;
  }

  async begin() {
    if (!navigator.mediaDevices) return this.fail(`The browser gives the ${this.device} only to pages with https.`);
    say(`Waiting for the ${this.device}…`);
    try {
      this.stream = await navigator.mediaDevices.getUserMedia(this.wanted);
      if (this.over) return this.end();
      const gone = () => this.fail(`The ${this.device} has been taken away.`);
      this.stream.getTracks()[0].addEventListener("ended", gone);
      await this.open();
    } catch (error) {
      return this.fail(`The ${this.device} cannot be used: ${error.message || error.name}.`);
    }
    say("Preparing the portrait…");
    this.next();
  }

  next() {
    if (this.over) return;
    this.wake(() => {
      if (this.over) return;
      if (!element.isConnected || !element.offsetParent) return press("#live-stop"); // another tab is shown
      this.fresh = true;
      this.sendIfReady();
      this.next();
    });
  }

  sendIfReady() {
    if (this.over || !this.fresh || this.inFlight >= this.room || performance.now() < this.resumes || !this.ready()) return;
    this.fresh = false;
    this.send();
  }

  async send() {
    const number = ++this.number;
    const taken = performance.now();
    this.inFlight += 1;
    try {
      const [body, more] = await this.take();
      const headers = { "x-live-ticket": this.ticket, ...more };
      const answer = await fetch(address(), { method: "POST", headers, body, cache: "no-store" });
      if (this.over) return;
      if (answer.status === 200) await this.show(answer, number, taken);
      else if (answer.status === 409) this.wait((await answer.json()).words);
      else if (answer.status !== 204) this.fail((await answer.json()).words);
    } catch {
      this.wait("The server does not answer. Trying again.");
    } finally {
      this.inFlight -= 1;
      this.sendIfReady(); // what came meanwhile, at once
    }
  }

  async show(answer, number, taken) {
    const picture = await createImageBitmap(await answer.blob());
    if (number > this.shown && !this.over) {
      this.shown = number;
      avatar.getContext("2d", { alpha: false }).drawImage(picture, 0, 0, avatar.width, avatar.height);
      this.note(performance.now() - taken, Number(answer.headers.get("x-live-ms")), answer);
    }
    picture.close();
  }

  note(delay, work, answer) {
    this.delays.push([performance.now(), delay, work]);
    this.delays = this.delays.filter(([time]) => performance.now() - time < 2000);
    if (performance.now() - this.told < 1000) return;
    this.told = performance.now();
    const [whole, server] = [1, 2].map((part) => median(this.delays.map((entry) => entry[part])));
    this.room = Math.min(MOST_IN_FLIGHT, 2 + Math.round((whole - server) / Math.max(server, 30))); // a far server
    const calibrated = answer.headers.get("x-live-calibrated") === "1";
    const behind = (whole + this.lag).toFixed(0);
    const pace = `${(this.delays.length / 2).toFixed(0)} frames a second, ${behind} ms behind you.`;
    say(calibrated ? pace : "Calibrating: look into the camera and relax your face.");
  }

  wait(text) {
    this.resumes = performance.now() + AGAIN;
    say(text);
  }

  fail(text) {
    if (this.over) return;
    this.end();
    run = null; // so that the words stay
    press("#live-stop");
    say(text);
  }

  end() {
    this.over = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    own.parentElement.hidden = true;
  }
}

class Camera extends Run {
  device = "camera";
  wanted = { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } }, audio: false };
  lag = 0;

  async open() {
    this.video = document.createElement("video"); // not in the page: what is shown is the frame that was sent
    this.video.muted = this.video.playsInline = true;
    this.video.srcObject = this.stream;
    await this.video.play();
    const scale = Math.min(1, LONGEST / Math.max(this.video.videoWidth, this.video.videoHeight));
    own.width = Math.round(this.video.videoWidth * scale);
    own.height = Math.round(this.video.videoHeight * scale);
    own.parentElement.hidden = false;
    this.context = own.getContext("2d", { alpha: false, willReadFrequently: true });
  }

  wake(tick) {
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(tick);
    else setTimeout(tick, 40);
  }

  ready() {
    return true;
  }

  async take() {
    this.context.drawImage(this.video, 0, 0, own.width, own.height);
    return [await new Promise((done) => own.toBlob(done, "image/jpeg", QUALITY)), {}];
  }

  end() {
    super.end();
    if (this.video) this.video.srcObject = null;
  }
}

class Microphone extends Run {
  device = "microphone";
  wanted = { audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true }, video: false };
  lag = 350; // milliseconds that the server hears ahead of the lips
  heard = []; // pieces that were not sent yet, Int16Array each
  sent = 0; // samples before them

  async open() {
    this.context = new AudioContext();
    const module = URL.createObjectURL(new Blob([EAR], { type: "text/javascript" }));
    await this.context.audioWorklet.addModule(module);
    URL.revokeObjectURL(module);
    const ear = new AudioWorkletNode(this.context, "mggtalk-ear", { numberOfOutputs: 0 });
    ear.port.onmessage = (event) => this.heard.push(event.data);
    this.context.createMediaStreamSource(this.stream).connect(ear);
  }

  wake(tick) {
    setTimeout(tick, 30);
  }

  ready() {
    return this.heard.length > 1;
  }

  async take() {
    const pieces = this.heard.splice(0);
    const count = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const samples = new Int16Array(count);
    pieces.reduce((place, piece) => (samples.set(piece, place), place + piece.length), 0);
    const first = this.sent;
    this.sent += count;
    const body = samples.slice(-MOST_SAMPLES); // after a pause, the newest are enough
    return [body, { "x-live-first": String(first + count - body.length), "content-type": "application/octet-stream" }];
  }

  end() {
    super.end();
    this.context?.close();
  }
}

let run = null;

function say(text) {
  if (words.textContent !== text) words.textContent = text;
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function press(selector) {
  document.querySelector(selector)?.click();
}

window.mggtalkLive = {
  start(ticket, source) {
    this.stop();
    if (!ticket) return;
    document.querySelectorAll("video").forEach((video) => video.pause());
    run = source === "microphone" ? new Microphone(ticket) : new Camera(ticket);
    run.begin();
  },
  stop() {
    if (run) say("");
    run?.end();
    run = null;
    avatar.getContext("2d").clearRect(0, 0, avatar.width, avatar.height);
  },
};
