// Gaussian blendshapes: from a change of expression to the Gaussians of a frame. See mggtalk/export/fit.py.

const OPENING = 0.04; // decimetres over which the mouth becomes solid
const MOST_SOLID = 0.99;

// Gaps of the face [G] for a change of expression.
export function measuresOf(head, change) {
  const { start, slope } = head.measures;
  const out = Float32Array.from(start);
  for (let g = 0; g < out.length; g++) {
    let sum = 0;
    for (let k = 0; k < head.components; k++) sum += slope[g * head.components + k] * change[k];
    out[g] += sum;
  }
  return out;
}

// What the weights are linear in [D]: the change itself, then one number for each knee.
export function featuresOf(head, change, measures) {
  const { measure, place, sign, scale } = head.knees;
  const out = new Float32Array(head.features);
  out.set(change);
  for (let j = 0; j < place.length; j++) {
    let seen = 0;
    for (let g = 0; g < measures.length; g++) seen += measure[j * measures.length + g] * measures[g];
    out[head.components + j] = scale[j] * Math.max(0, sign[j] * (seen - place[j]));
  }
  return out;
}

// constants + sum_k w_k shape_k, written to `out` from Gaussian `first` on.
function blend(constants, shapes, features, out, first) {
  const target = out.subarray(3 * first, 3 * first + constants.length);
  target.set(constants);
  if (!shapes) return;
  for (let k = 0; k < shapes.count; k++) {
    let weight = 0;
    for (let d = 0; d < features.length; d++) weight += features[d] * shapes.weights[d * shapes.count + k];
    weight *= shapes.steps[k];
    if (weight === 0) continue;
    const values = shapes.values.subarray(k * constants.length, (k + 1) * constants.length);
    for (let i = 0; i < values.length; i++) target[i] += weight * values[i];
  }
}

// The Gaussians of one frame; arrays are used again from frame to frame.
export class Blend {
  constructor(head) {
    this.head = head;
    this.count = head.groups.reduce((sum, group) => sum + group.count, 0);
    this.places = new Float32Array(3 * this.count);
    this.scales = new Float32Array(3 * this.count); // logarithms
    this.colours = new Float32Array(3 * this.count);
    this.opacities = new Float32Array(this.count);
    this.quaternions = new Float32Array(4 * this.count);
    this.harmonics = head.groups.some((group) => group.harmonics) ? new Float32Array(9 * this.count) : null;
    let first = 0;
    for (const group of head.groups) {
      this.opacities.set(group.opacities, first);
      this.quaternions.set(group.quaternions, 4 * first);
      if (group.harmonics) this.harmonics.set(group.harmonics, 9 * first);
      first += group.count;
    }
  }

  // Blend for a change of expression [K].
  update(change) {
    const { head } = this;
    const measures = measuresOf(head, change);
    const features = featuresOf(head, change, measures);
    let first = 0;
    for (const group of head.groups) {
      blend(group.place, group.shapes.place, features, this.places, first);
      blend(group.scale, group.shapes.scale, features, this.scales, first);
      blend(group.colour, group.shapes.colour, features, this.colours, first);
      first += group.count;
    }
    this.openMouth(measures, first - head.groups.at(-1).count);
    return this;
  }

  // Columns of the mouth show where the lips are apart.
  openMouth(measures, first) {
    const lips = measures.length - 3;
    const columns = 64;
    const total = this.count - first;
    for (let i = 0; i < total; i++) {
      const step = ((i % columns) * (lips - 1)) / (columns - 1);
      const low = Math.min(Math.floor(step), lips - 2);
      const gap = measures[low] + (step - low) * (measures[low + 1] - measures[low]);
      const solid = (Math.max(gap, 0) - this.head.closedGap) / OPENING;
      this.opacities[first + i] = Math.min(Math.max(solid, 0), MOST_SOLID);
    }
  }
}
