// Neck and shoulders follow the head. See mggtalk/inpaint/follow.py, whose numbers these are.
import { multiply, transpose, viewRotation } from "./geometry.js";

const STRETCH = 2; // ways of a rising body over which it is stretched above the lower border

function sample(map, side, x, y) {
  const px = Math.min(Math.max(x * side - 0.5, 0), side - 1), py = Math.min(Math.max(y * side - 0.5, 0), side - 1);
  const left = Math.floor(px), top = Math.floor(py);
  const right = Math.min(left + 1, side - 1), bottom = Math.min(top + 1, side - 1);
  const along = px - left, down = py - top;
  const above = map[top * side + left] + along * (map[top * side + right] - map[top * side + left]);
  const below = map[bottom * side + left] + along * (map[bottom * side + right] - map[bottom * side + left]);
  return above + down * (below - above);
}

// The weight of the neck within a shorter reach: neck_weight of mggtalk/inpaint/follow.py.
function neckWeight(weight, reach) {
  const depth = 0.5 - Math.sin(Math.asin(Math.min(Math.max(2 * weight - 1, -1), 1)) / 3);
  const nearer = Math.min(Math.max(depth / reach, 0), 1);
  return 1 - nearer * nearer * (3 - 2 * nearer);
}

// How far down the neck the head pulls: neck_reach of mggtalk/inpaint/follow.py.
function neckReach(head, before, after, torso) {
  const { neck, steep, least_reach: least, followed, free } = head.plates;
  const place = ({ turn, translation }) => {
    const [x, y, z] = [0, 1, 2].map((k) => turn[3 * k] * neck[0] + turn[3 * k + 1] * neck[1] + turn[3 * k + 2] * neck[2] + translation[k]);
    return [(x / z) * head.focalRatio + 0.5, (y / z) * head.focalRatio + 0.5];
  };
  const [x, y] = place(before), [q, r] = place(after);
  const way = Math.hypot(q - (torso[0] * x + torso[1] * y + torso[2]), r - (torso[3] * x + torso[4] * y + torso[5]));
  const known = [1, 0, 0, 0, 1, 0].some((still, k) => torso[k] !== still);
  return Math.min(Math.max((known ? followed : free) * steep * way, least), 1);
}

// Where each cell of a coarse grid comes from in the torso plate: offsets [grid, grid, 2] in units of the side.
// `torso`: the similarity [2, 3] by which the shoulders move themselves, in units of the side.
export function torsoWarp(head, rotation, translation, torso, out) {
  const { grid, steps, pivot_depth: pivot, follow, nearer, followSide } = head.plates;
  const { source, focalRatio: ratio } = head;
  const [turn, own] = [rotation, source.rotation].map((part) => viewRotation(Float64Array.from(part)));
  const m = multiply(turn, transpose(own));
  const reach = neckReach(head, { turn: own, translation: source.translation }, { turn, translation }, torso);
  const s = source.translation;
  const shift = [0, 1, 2].map((k) => translation[k] - (m[3 * k] * s[0] + m[3 * k + 1] * s[1] + m[3 * k + 2] * s[2]));
  const depth = s[2] + pivot;
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const targetX = (column + 0.5) / grid, targetY = (row + 0.5) / grid;
      let x = targetX, y = targetY;
      for (let step = 0; step < steps; step++) {
        const weight = neckWeight(sample(follow, followSide, x, y), reach);
        const pz = depth - sample(nearer, followSide, x, y);
        const px = ((x - 0.5) / ratio) * pz, py = ((y - 0.5) / ratio) * pz;
        const qx = m[0] * px + m[1] * py + m[2] * pz + shift[0];
        const qy = m[3] * px + m[4] * py + m[5] * pz + shift[1];
        const qz = 1 / (m[6] * px + m[7] * py + m[8] * pz + shift[2]);
        const belowX = torso[0] * x + torso[1] * y + torso[2], belowY = torso[3] * x + torso[4] * y + torso[5];
        x += targetX - (belowX + weight * (qx * qz * ratio + 0.5 - belowX));
        y += targetY - (belowY + weight * (qy * qz * ratio + 0.5 - belowY));
      }
      const cell = 2 * (row * grid + column), up = y - targetY, room = (grid - 1 - row) / grid;
      out[cell] = x - targetX;
      out[cell + 1] = up > 0 ? up * (1 - Math.exp(-room / (STRETCH * up))) : up;
    }
  }
  return out;
}
