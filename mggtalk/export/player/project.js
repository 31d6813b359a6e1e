// Projection of Gaussians to the picture and their order: EWA splatting with the constants of the rasterizer of MGGTalk,
// in pixels of the side that it was made for, so that a picture of any size shows the same.

export const FIELDS = 11; // centre x, y, reach x, y, inverse covariance xx, xy, yy, opacity, red, green, blue
const SH_1 = 0.4886025119029199;
const BINS = 65536;

export class Projector {
  constructor(count) {
    this.projected = new Float32Array(count * FIELDS);
    this.depths = new Float32Array(count);
    this.visible = new Uint32Array(count);
    this.keys = new Uint16Array(count);
    this.starts = new Uint32Array(BINS + 1);
  }

  // Project what `blend` holds by the view (9 numbers and 3) and write it to `out`, the farthest first.
  // Returns the number of Gaussians that can be seen.
  run(blend, turn, shift, focalRatio, rules, out) {
    const { places, scales, colours, opacities, quaternions, harmonics } = blend;
    const side = rules.side;
    const focal = focalRatio * side;
    const limit = (0.5 * side) / focal + (rules.field_margin / 2) * (side / focal);
    const eye = [0, 1, 2].map((k) => -(turn[k] * shift[0] + turn[3 + k] * shift[1] + turn[6 + k] * shift[2]));
    const table = this.projected;
    let seen = 0;
    let nearest = Infinity;
    let farthest = -Infinity;
    for (let i = 0; i < blend.count; i++) {
      const opacity = opacities[i];
      if (!(opacity >= rules.min_alpha)) continue;
      const px = places[3 * i], py = places[3 * i + 1], pz = places[3 * i + 2];
      const x = turn[0] * px + turn[1] * py + turn[2] * pz + shift[0];
      const y = turn[3] * px + turn[4] * py + turn[5] * pz + shift[1];
      const z = turn[6] * px + turn[7] * py + turn[8] * pz + shift[2];
      if (!(z >= rules.near)) continue;
      let w = quaternions[4 * i], a = quaternions[4 * i + 1], b = quaternions[4 * i + 2], c = quaternions[4 * i + 3];
      const unit = 1 / Math.sqrt(w * w + a * a + b * b + c * c);
      w *= unit; a *= unit; b *= unit; c *= unit;
      const inverse = 1 / z;
      const f = focal * inverse;
      const gx = -f * Math.min(limit, Math.max(-limit, x * inverse));
      const gy = -f * Math.min(limit, Math.max(-limit, y * inverse));
      // Rows of Jacobian times view: from the head frame to the picture.
      const u0 = f * turn[0] + gx * turn[6], u1 = f * turn[1] + gx * turn[7], u2 = f * turn[2] + gx * turn[8];
      const v0 = f * turn[3] + gy * turn[6], v1 = f * turn[4] + gy * turn[7], v2 = f * turn[5] + gy * turn[8];
      const s0 = Math.exp(scales[3 * i]), s1 = Math.exp(scales[3 * i + 1]), s2 = Math.exp(scales[3 * i + 2]);
      const r00 = 1 - 2 * (b * b + c * c), r01 = 2 * (a * b - w * c), r02 = 2 * (a * c + w * b);
      const r10 = 2 * (a * b + w * c), r11 = 1 - 2 * (a * a + c * c), r12 = 2 * (b * c - w * a);
      const r20 = 2 * (a * c - w * b), r21 = 2 * (b * c + w * a), r22 = 1 - 2 * (a * a + b * b);
      const x0 = (u0 * r00 + u1 * r10 + u2 * r20) * s0, x1 = (u0 * r01 + u1 * r11 + u2 * r21) * s1;
      const x2 = (u0 * r02 + u1 * r12 + u2 * r22) * s2;
      const y0 = (v0 * r00 + v1 * r10 + v2 * r20) * s0, y1 = (v0 * r01 + v1 * r11 + v2 * r21) * s1;
      const y2 = (v0 * r02 + v1 * r12 + v2 * r22) * s2;
      const xx = x0 * x0 + x1 * x1 + x2 * x2 + rules.blur;
      const xy = x0 * y0 + x1 * y1 + x2 * y2;
      const yy = y0 * y0 + y1 * y1 + y2 * y2 + rules.blur;
      const determinant = xx * yy - xy * xy;
      if (!(determinant > 0)) continue;
      const extent = Math.min(rules.max_extent, Math.sqrt(2 * Math.log(opacity / rules.min_alpha)));
      const column = f * x + side / 2, row = f * y + side / 2;
      const reachX = extent * Math.sqrt(xx), reachY = extent * Math.sqrt(yy);
      if (column + reachX < 0 || column - reachX > side || row + reachY < 0 || row - reachY > side) continue;
      let red = colours[3 * i], green = colours[3 * i + 1], blue = colours[3 * i + 2];
      if (harmonics) {
        const dx = px - eye[0], dy = py - eye[1], dz = pz - eye[2];
        const near = SH_1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
        const h = 9 * i;
        const my = -near * dy, mz = near * dz, mx = -near * dx;
        red += my * harmonics[h] + mz * harmonics[h + 3] + mx * harmonics[h + 6];
        green += my * harmonics[h + 1] + mz * harmonics[h + 4] + mx * harmonics[h + 7];
        blue += my * harmonics[h + 2] + mz * harmonics[h + 5] + mx * harmonics[h + 8];
      }
      const t = seen * FIELDS;
      table[t] = column; table[t + 1] = row; table[t + 2] = reachX; table[t + 3] = reachY;
      table[t + 4] = yy / determinant; table[t + 5] = -xy / determinant; table[t + 6] = xx / determinant;
      table[t + 7] = opacity;
      table[t + 8] = Math.max(0, red); table[t + 9] = Math.max(0, green); table[t + 10] = Math.max(0, blue);
      this.depths[seen++] = z;
      if (z < nearest) nearest = z;
      if (z > farthest) farthest = z;
    }
    this.order(seen, nearest, farthest);
    for (let k = 0; k < seen; k++) {
      const from = this.visible[k] * FIELDS;
      for (let field = 0; field < FIELDS; field++) out[k * FIELDS + field] = table[from + field];
    }
    return seen;
  }

  // Counting sort by depth, the farthest first; of two at the same depth the later one is behind.
  order(seen, nearest, farthest) {
    const { depths, keys, starts, visible } = this;
    const scale = (BINS - 1) / Math.max(farthest - nearest, 1e-6);
    starts.fill(0);
    for (let i = 0; i < seen; i++) {
      keys[i] = (farthest - depths[i]) * scale;
      starts[keys[i] + 1]++;
    }
    for (let bin = 0; bin < BINS; bin++) starts[bin + 1] += starts[bin];
    for (let i = seen - 1; i >= 0; i--) visible[starts[keys[i]]++] = i;
  }
}
