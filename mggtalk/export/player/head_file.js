// Reading a head: nothing that the file says is believed before it was checked. See mggtalk/export/head_file.py.

export const FORMAT = "mggtalk-head";
export const VERSION = 2;
const MOST_GAUSSIANS = 400000;
const MOST_SHAPES = 128;
const MOST_BYTES = 256e6;
const MOST_FRAMES = 200000;

export class HeadError extends Error {}

function refuse(what) {
  throw new HeadError(`This head cannot be shown: ${what}.`);
}

function count(value, most, name) {
  if (!Number.isInteger(value) || value < 0 || value > most) refuse(`its ${name} is ${String(value).slice(0, 20)}`);
  return value;
}

function numbers(list, length, name) {
  if (!Array.isArray(list) || (length >= 0 && list.length !== length)) refuse(`its ${name} has the wrong length`);
  if (!list.every((value) => typeof value === "number" && Number.isFinite(value))) {
    refuse(`its ${name} has values that are no finite numbers`);
  }
  return Float32Array.from(list);
}

function rows(list, height, width, name) {
  if (!Array.isArray(list) || list.length !== height) refuse(`its ${name} has the wrong length`);
  const out = new Float32Array(height * width);
  list.forEach((row, index) => out.set(numbers(row, width, name), index * width));
  return out;
}

// The header of a text, as far as it can be checked without the block.
export function readHeader(text) {
  let header;
  try {
    header = JSON.parse(text);
  } catch {
    refuse("its header is no JSON");
  }
  if (header === null || typeof header !== "object" || header.format !== FORMAT) refuse("it is no head of MGGTalk");
  if (header.version !== VERSION) refuse(`it has version ${String(header.version).slice(0, 20)}, not ${VERSION}`);
  count(header.length, MOST_BYTES, "length");
  return header;
}

// Unpack a gzip stream to exactly `length` bytes; a stream that goes on is cut off.
export async function unpack(bytes, length) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const out = new Uint8Array(length);
  let filled = 0;
  for (;;) {
    let step;
    try {
      step = await reader.read();
    } catch {
      refuse("its data are damaged");
    }
    if (step.done) break;
    if (filled + step.value.length > length) {
      await reader.cancel();
      refuse("it unpacks to more than it says");
    }
    out.set(step.value, filled);
    filled += step.value.length;
  }
  if (filled !== length) refuse("its data are cut off");
  return out;
}

// Values of an array [planes, n] as numbers, still one component after the other.
function plane(entry, index, n, data) {
  const bits = entry.bits;
  if (bits !== 8 && bits !== 16) refuse(`its arrays have ${String(bits).slice(0, 9)} bits`);
  const total = count(entry.planes, 4 * MOST_SHAPES, "number of planes") * n;
  const start = count(entry.offset, data.length, "offset") + index * n;
  if (entry.offset + total * (bits / 8) > data.length) refuse("an array ends behind its data");
  const out = bits === 16 ? new Uint16Array(n) : new Uint8Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) {
    sum += data[start + i] + (bits === 16 ? 256 * data[start + total + i] : 0);
    out[i] = sum;
    sum = out[i];
  }
  return out;
}

// Constants [n, width], interleaved.
function constants(entry, n, width, data, name) {
  if (entry === null || typeof entry !== "object" || entry.planes !== width) refuse(`it has no ${name}`);
  const [low] = numbers(entry.low, 1, name);
  const [step] = numbers(entry.step, 1, name);
  const out = new Float32Array(n * width);
  for (let k = 0; k < width; k++) {
    const values = plane(entry, k, n, data);
    for (let i = 0; i < n; i++) out[i * width + k] = low + step * values[i];
  }
  return out;
}

// Shapes [K, n, 3] as signed bytes, interleaved, with the step of each.
function shapes(entry, n, features, data, name) {
  const total = count(entry.planes / 3, MOST_SHAPES, "number of shapes");
  const weights = rows(entry.weights, features, total, `weights of ${name}`);
  const steps = numbers(entry.step, total, name);
  const values = new Int8Array(total * n * 3);
  for (let k = 0; k < total; k++) {
    for (let axis = 0; axis < 3; axis++) {
      const line = new Int8Array(plane(entry, 3 * k + axis, n, data).buffer);
      for (let i = 0; i < n; i++) values[(k * n + i) * 3 + axis] = line[i];
    }
  }
  return { count: total, weights, steps, values };
}

function group(entry, name, features, data) {
  if (entry === null || typeof entry !== "object") refuse(`it has no ${name}`);
  const n = count(entry.count, MOST_GAUSSIANS, `number of Gaussians of the ${name}`);
  const arrays = entry.arrays ?? {};
  const found = { count: n, shapes: {} };
  for (const [attribute, width] of [["place", 3], ["scale", 3], ["colour", 3], ["quaternions", 4], ["opacities", 1]]) {
    found[attribute] = constants(arrays[attribute], n, width, data, attribute);
  }
  found.harmonics = arrays.harmonics ? constants(arrays.harmonics, n, 9, data, "harmonics") : null;
  for (const attribute of ["place", "scale", "colour"]) {
    if (entry.shapes?.[attribute]) found.shapes[attribute] = shapes(entry.shapes[attribute], n, features, data, attribute);
  }
  return found;
}

// All numbers of a head, from a header and the unpacked block.
export function decodeHead(header, data) {
  const measures = header.measures ?? {};
  const gaps = numbers(measures.start, -1, "measures");
  const components = count(measures.slope?.[0]?.length, 1024, "number of components");
  const places = numbers(header.knees?.place, -1, "knees");
  const features = components + places.length;
  if (gaps.length < 5 || gaps.length > 256 || places.length > 256) refuse("it has too few or too many measures");
  const groups = ["head", "back", "mouth"].map((name) => group(header.groups?.[name], name, features, data));
  const plates = header.plates ?? {};
  return {
    components,
    features,
    measures: { start: gaps, slope: rows(measures.slope, gaps.length, components, "measures") },
    knees: {
      measure: rows(header.knees.measure, places.length, gaps.length, "knees"),
      place: places,
      sign: numbers(header.knees.sign, places.length, "knees"),
      scale: numbers(header.knees.scale, places.length, "knees"),
    },
    closedGap: numbers([header.closed_gap], 1, "closed_gap")[0],
    groups,
    rasterizer: checkedNumbers(header.rasterizer, ["side", "blur", "near", "field_margin", "max_extent", "min_alpha", "max_alpha"]),
    focalRatio: numbers([header.focal_ratio], 1, "focal_ratio")[0],
    source: pose(header.source),
    rest: numbers(header.rest, components, "rest"),
    controls: Object.fromEntries(
      Object.entries(header.controls ?? {}).map(([name, list]) => [name, numbers(list, components, name)]),
    ),
    plates: {
      ...checkedNumbers(plates, ["shoulder", "grid", "steps", "pivot_depth", "steep", "least_reach", "followed", "free"]),
      neck: numbers(plates.neck, 3, "neck"),
      followSide: count(plates.follow?.side, 1024, "weight map"),
      follow: constants(plates.follow, plates.follow.side ** 2, 1, data, "weight map"),
      nearer: constants(plates.nearer, plates.follow.side ** 2, 1, data, "depth map"),
    },
    motion: header.motion ? motionOf(header.motion, components, data) : null,
  };
}

function checkedNumbers(entry, names) {
  return Object.fromEntries(names.map((name) => [name, numbers([entry?.[name]], 1, name)[0]]));
}

function pose(entry) {
  return {
    rotation: numbers(entry?.rotation, 9, "rotation"),
    translation: numbers(entry?.translation, 3, "translation"),
  };
}

function motionOf(entry, components, data) {
  const frames = count(entry.frames, MOST_FRAMES, "number of frames");
  const fps = numbers([entry.fps], 1, "frame rate")[0];
  if (!(fps > 0 && fps <= 1000)) refuse(`its frame rate is ${fps}`);
  return {
    frames,
    fps,
    expression: constants(entry.expression, frames, components, data, "expression"),
    rotation: constants(entry.rotation, frames, 9, data, "rotation"),
    translation: constants(entry.translation, frames, 3, data, "translation"),
    torso: entry.torso ? constants(entry.torso, frames, 6, data, "torso") : null,
  };
}

// Bytes of a picture or a recording in the block.
export function bytesOf(entry, data) {
  const start = count(entry?.offset, data.length, "offset");
  return data.subarray(start, start + count(entry.bytes, data.length - start, "length of a picture"));
}
