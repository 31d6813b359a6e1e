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

// The weight of the neck where the way of the shoulders is known: neck_weight of mggtalk/inpaint/follow.py.
function neckWeight(weight, neck) {
  const depth = 0.5 - Math.sin(Math.asin(Math.min(Math.max(2 * weight - 1, -1), 1)) / 3);
  const nearer = Math.min(Math.max(depth / neck, 0), 1);
  return 1 - nearer * nearer * (3 - 2 * nearer);
}

// Where each cell of a coarse grid comes from in the torso plate: offsets [grid, grid, 2] in units of the side.
// `torso`: the similarity [2, 3] by which the shoulders move themselves, in units of the side.
export function torsoWarp(head, rotation, translation, torso, out) {
  const { grid, steps, pivot_depth: pivot, neck, follow, followSide } = head.plates;
  const known = [1, 0, 0, 0, 1, 0].some((still, k) => torso[k] !== still);
  const { source, focalRatio: ratio } = head;
  const m = multiply(viewRotation(Float64Array.from(rotation)), transpose(viewRotation(Float64Array.from(source.rotation))));
  const s = source.translation;
  const shift = [0, 1, 2].map((k) => translation[k] - (m[3 * k] * s[0] + m[3 * k + 1] * s[1] + m[3 * k + 2] * s[2]));
  const depth = s[2] + pivot;
  for (let row = 0; row < grid; row++) {
    for (let column = 0; column < grid; column++) {
      const targetX = (column + 0.5) / grid, targetY = (row + 0.5) / grid;
      let x = targetX, y = targetY;
      for (let step = 0; step < steps; step++) {
        const reached = sample(follow, followSide, x, y);
        const weight = known ? neckWeight(reached, neck) : reached;
        const px = ((x - 0.5) / ratio) * depth, py = ((y - 0.5) / ratio) * depth;
        const qx = m[0] * px + m[1] * py + m[2] * depth + shift[0];
        const qy = m[3] * px + m[4] * py + m[5] * depth + shift[1];
        const qz = 1 / (m[6] * px + m[7] * py + m[8] * depth + shift[2]);
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
