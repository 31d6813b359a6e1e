// What the head does at a moment: its motion, sliders, blinks and idling, and the side that it is seen from.
import { fromEuler, multiply, orthonormal } from "./geometry.js";

const BLINK_SECONDS = 0.3;
const SWAY = { yaw: 2.2, pitch: 1.1, roll: 0.8 }; // degrees
const RADIANS = Math.PI / 180;

// Lid closure of a blink: fast down, slow up.
export function blinkCurve(seconds) {
  if (seconds < 0 || seconds > BLINK_SECONDS) return 0;
  const share = seconds < 0.1 ? seconds / 0.1 : (BLINK_SECONDS - seconds) / 0.2;
  return share * share * (3 - 2 * share);
}

// Times of blinks that differ from one another and return to themselves: the same at the same moment.
export function lastBlink(seconds) {
  let moment = 1.3;
  for (let index = 0; ; index++) {
    const gap = 2.2 + 3.6 * Math.abs(Math.sin(12.9898 * (index + 1)) * 43758.5453 % 1);
    if (moment + gap > seconds) return moment;
    moment += gap;
  }
}

export class Performer {
  constructor(head) {
    this.head = head;
    this.sliders = {};
    this.orbit = { yaw: 0, pitch: 0 }; // degrees
  }

  // Length of the motion in seconds; 0 without one.
  get seconds() {
    const { motion } = this.head;
    return motion ? motion.frames / motion.fps : 0;
  }

  // Expression and pose at `time`; `playing`: by the motion, else the head idles.
  at(time, playing) {
    const { head } = this;
    const change = new Float32Array(head.components);
    let rotation = Float64Array.from(head.source.rotation);
    let translation = Float64Array.from(head.source.translation);
    let torso = null; // it stays
    if (playing && head.motion) {
      ({ rotation, translation, torso } = this.moved(time, change));
    } else {
      this.add(change, "blink", blinkCurve(time - lastBlink(time)));
      const sway = fromEuler(
        RADIANS * SWAY.pitch * Math.sin(0.83 * time),
        RADIANS * SWAY.yaw * Math.sin(0.61 * time),
        RADIANS * SWAY.roll * Math.sin(0.37 * time),
      );
      if (time > 0) rotation = multiply(sway, rotation);
    }
    for (const [name, value] of Object.entries(this.sliders)) this.add(change, name, value);
    const turn = fromEuler(RADIANS * this.orbit.pitch, RADIANS * this.orbit.yaw, 0);
    rotation = Float32Array.from(multiply(turn, rotation));
    return { change, rotation, translation: Float32Array.from(translation), torso };
  }

  // The frames around `time` mixed; their expression is added to `change`.
  moved(time, change) {
    const { motion, components } = this.head;
    const place = Math.min(Math.max(time * motion.fps, 0), motion.frames - 1);
    const low = Math.floor(place), high = Math.min(low + 1, motion.frames - 1), share = place - low;
    const mix = (values, width, index) => {
      const first = values[low * width + index];
      return first + share * (values[high * width + index] - first);
    };
    for (let k = 0; k < components; k++) change[k] += mix(motion.expression, components, k);
    const rotation = Float64Array.from({ length: 9 }, (_, k) => mix(motion.rotation, 9, k));
    const translation = Float64Array.from({ length: 3 }, (_, k) => mix(motion.translation, 3, k));
    const torso = motion.torso ? Float32Array.from({ length: 6 }, (_, k) => mix(motion.torso, 6, k)) : null;
    return { rotation: orthonormal(rotation), translation, torso };
  }

  add(change, name, value) {
    const control = this.head.controls[name];
    if (!control || !value) return;
    for (let k = 0; k < change.length; k++) change[k] += value * control[k];
  }
}
