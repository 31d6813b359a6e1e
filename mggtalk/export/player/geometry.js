// Rotations and poses. A head pose takes head points to camera points: X_cam = FLIP R X_head + t, FLIP = diag(1, -1, -1);
// 3 x 3 matrices are 9 numbers, row by row.

export function multiply(a, b) {
  const out = new Float64Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
    }
  }
  return out;
}

export function transpose(m) {
  return Float64Array.of(m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]);
}

// R = Ry(yaw) Rx(pitch) Rz(roll), radians; positive yaw turns the face to the viewer's right, positive pitch down.
export function fromEuler(pitch, yaw, roll) {
  const [cp, sp, cy, sy] = [Math.cos(pitch), Math.sin(pitch), Math.cos(yaw), Math.sin(yaw)];
  const [cr, sr] = [Math.cos(roll), Math.sin(roll)];
  return Float64Array.of(
    cy * cr + sy * sp * sr, -cy * sr + sy * sp * cr, sy * cp,
    cp * sr, cp * cr, -sp,
    -sy * cr + cy * sp * sr, sy * sr + cy * sp * cr, cy * cp,
  );
}

// The rotation nearest to a mixture of two close ones: rows made orthonormal, one after the other.
export function orthonormal(m) {
  const x = unit([m[0], m[1], m[2]]);
  const along = m[3] * x[0] + m[4] * x[1] + m[5] * x[2];
  const y = unit([m[3] - along * x[0], m[4] - along * x[1], m[5] - along * x[2]]);
  return Float64Array.of(
    ...x, ...y,
    x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0],
  );
}

function unit(v) {
  const length = Math.hypot(...v) || 1;
  return v.map((value) => value / length);
}

// FLIP R: head axes to camera axes.
export function viewRotation(rotation) {
  return rotation.map((value, index) => (index < 3 ? value : -value));
}
