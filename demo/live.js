// The Live tab in the browser: takes the camera's frames, sends each by a request of its own, shows the answers.
// Runs once, when the component is there; `element` is its root. The page's buttons call window.mggtalkLive.

const LONGEST = 480; // side of what is sent, pixels
const QUALITY = 0.8; // of it as JPEG
const MOST_IN_FLIGHT = 5;
const AGAIN = 1500; // milliseconds until the seat is asked for again

const avatar = element.querySelector(".live-avatar");
const own = element.querySelector(".live-self");
const words = element.querySelector(".live-words");
const address = () => `${window.gradio_config?.root ?? "."}/live/frame.jpg`;

class Run {
  constructor(ticket) {
    this.ticket = ticket;
    this.video = document.createElement("video"); // not in the page: what is shown is the frame that was sent
    this.video.muted = this.video.playsInline = true;
    this.number = this.shown = this.inFlight = 0;
    this.room = 2; // frames on their way: one is followed while the one before is drawn
    this.resumes = 0; // time before which nothing is sent
    this.delays = [];
    this.told = 0;
    this.over = false;
  }

  async begin() {
    if (!navigator.mediaDevices) return this.fail("The browser gives the camera only to pages with https.");
    say("Waiting for the camera…");
    try {
      const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    } catch (error) {
      return this.fail(`The camera cannot be used: ${error.message || error.name}.`);
    }
    if (this.over) return this.end();
    this.stream.getVideoTracks()[0].addEventListener("ended", () => this.fail("The camera has been taken away."));
    this.video.srcObject = this.stream;
    await this.video.play();
    const scale = Math.min(1, LONGEST / Math.max(this.video.videoWidth, this.video.videoHeight));
    own.width = Math.round(this.video.videoWidth * scale);
    own.height = Math.round(this.video.videoHeight * scale);
    own.parentElement.hidden = false;
    this.context = own.getContext("2d", { alpha: false, willReadFrequently: true });
    say("Preparing the portrait…");
    this.next();
  }

  next() {
    if (this.over) return;
    const tick = () => {
      if (this.over) return;
      if (!element.isConnected || !element.offsetParent) return press("#live-stop"); // another tab is shown
      if (this.inFlight < this.room && performance.now() >= this.resumes) this.send();
      this.next();
    };
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(tick);
    else setTimeout(tick, 40);
  }

  async send() {
    const number = ++this.number;
    const taken = performance.now();
    this.inFlight += 1;
    try {
      this.context.drawImage(this.video, 0, 0, own.width, own.height);
      const frame = await new Promise((done) => own.toBlob(done, "image/jpeg", QUALITY));
      const headers = { "x-live-ticket": this.ticket };
      const answer = await fetch(address(), { method: "POST", headers, body: frame, cache: "no-store" });
      if (this.over) return;
      if (answer.status === 200) await this.show(answer, number, taken);
      else if (answer.status === 409) this.wait((await answer.json()).words);
      else if (answer.status !== 204) this.fail((await answer.json()).words);
    } catch {
      this.wait("The server does not answer. Trying again.");
    } finally {
      this.inFlight -= 1;
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
    const pace = `${(this.delays.length / 2).toFixed(0)} frames a second, ${whole.toFixed(0)} ms behind you.`;
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
    this.video.srcObject = null;
    own.parentElement.hidden = true;
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
  start(ticket) {
    this.stop();
    if (!ticket) return;
    document.querySelectorAll("video").forEach((video) => video.pause());
    run = new Run(ticket);
    run.begin();
  },
  stop() {
    if (run) say("");
    run?.end();
    run = null;
    avatar.getContext("2d").clearRect(0, 0, avatar.width, avatar.height);
  },
};
