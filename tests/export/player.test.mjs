// Tests of the player's modules that need no browser; `node --test` runs them.
import assert from "node:assert/strict";
import test from "node:test";
import { Blend } from "../../mggtalk/export/player/blend.js";
import { torsoWarp } from "../../mggtalk/export/player/follow.js";
import { fromEuler, multiply, orthonormal, transpose, viewRotation } from "../../mggtalk/export/player/geometry.js";
import { decodeHead, readHeader, unpack } from "../../mggtalk/export/player/head_file.js";
import { blinkCurve, lastBlink, Performer } from "../../mggtalk/export/player/performer.js";
import { FIELDS, Projector } from "../../mggtalk/export/player/project.js";

const STILL = [1, 0, 0, 0, 1, 0];
const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

// A head of two Gaussians, one component, one knee; all arrays are zero bytes, so their values are `low`.
function small() {
  const constant = (planes, low) => ({ offset: 0, bits: 8, signed: false, planes, low: [low], step: [1] });
  const group = (count) => ({
    count,
    arrays: {
      place: constant(3, 0), scale: constant(3, -3), colour: constant(3, 0.5),
      quaternions: constant(4, 0.5), opacities: constant(1, 0.9),
    },
    shapes: {},
  });
  const header = {
    format: "mggtalk-head", version: 2, length: 64, made: "AI-made", consent: "",
    groups: { head: group(2), back: group(1), mouth: group(1) },
    measures: { start: [0, 0, 0, 0, 1], slope: [[0], [0], [0], [0], [1]] },
    knees: { measure: [[0, 0, 0, 0, 1]], place: [1], sign: [1], scale: [2] },
    closed_gap: 0.01, focal_ratio: 2.5, rest: [0],
    source: { rotation: IDENTITY, translation: [0, 0, 12] },
    rasterizer: { side: 64, blur: 0.3, near: 0.01, field_margin: 0.3, max_extent: 3.33, min_alpha: 1 / 255, max_alpha: 0.999 },
    plates: { shoulder: 1, grid: 4, steps: 8, pivot_depth: 0.8, neck: [0, -0.8, -0.8], steep: 4, least_reach: 0.15, followed: 2, free: 5, follow: { ...constant(1, 1), side: 2 }, nearer: constant(1, 0) },
    controls: { blink: [1] },
    motion: null,
  };
  return { header, data: new Uint8Array(64) };
}

test("rotations are orthonormal and mixtures are brought back to them", () => {
  const turn = fromEuler(0.2, -0.5, 0.1);
  multiply(turn, transpose(turn)).forEach((value, k) => assert.ok(Math.abs(value - IDENTITY[k]) < 1e-12));
  orthonormal(turn.map((value) => 0.9 * value)).forEach((value, k) => assert.ok(Math.abs(value - turn[k]) < 1e-12));
});

test("a head is decoded, and its features bend at the knees", () => {
  const { header, data } = small();
  const head = decodeHead(readHeader(JSON.stringify(header)), data);
  const blend = new Blend(head).update(Float32Array.of(0.5));
  assert.equal(blend.count, 4);
  assert.ok(Math.abs(blend.colours[0] - 0.5) < 1e-6);
  assert.equal(blend.opacities[3], 0, "a closed mouth is hidden");
});

const BAD = {
  "another format": (h) => (h.format = "splat"),
  "another version": (h) => (h.version = 9),
  "a claim of terabytes": (h) => (h.length = 1e13),
  "a count of billions": (h) => (h.groups.head.count = 4e9),
  "a count that is no number": (h) => (h.groups.head.count = "many"),
  "a negative count": (h) => (h.groups.head.count = -1),
  "an array behind the end": (h) => (h.groups.head.arrays.place.offset = 63),
  "no number in a constant": (h) => (h.groups.head.arrays.place.low = [null]),
  "NaN in the weights": (h) => (h.knees.scale = ["NaN"]),
  "a missing group": (h) => delete h.groups.mouth,
  "rows of other lengths": (h) => (h.measures.slope[3] = [1, 2]),
  "a pose of two numbers": (h) => (h.source.translation = [1, 2]),
  "a motion of billions of frames": (h) => (h.motion = { frames: 1e10, fps: 25 }),
  "a weight map of any size": (h) => (h.plates.follow.side = 1e6),
};
for (const [name, spoil] of Object.entries(BAD)) {
  test(`${name} is refused in one line`, () => {
    const { header, data } = small();
    spoil(header);
    assert.throws(() => decodeHead(readHeader(JSON.stringify(header)), data), (error) => {
      assert.match(error.message, /^This head cannot be shown: .{3,120}\.$/);
      return true;
    });
  });
}

test("damaged data and bombs are refused", async () => {
  const packed = async (bytes) =>
    new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
  const good = await packed(new Uint8Array(5000));
  assert.equal((await unpack(good, 5000)).length, 5000);
  await assert.rejects(unpack(good, 100), /more than it says/);
  await assert.rejects(unpack(good, 6000), /cut off/);
  good[12] ^= 255;
  await assert.rejects(unpack(good, 5000), /cannot be shown/);
});

test("projection puts the middle in the middle and the farthest first", () => {
  const { header, data } = small();
  const head = decodeHead(header, data);
  const blend = new Blend(head).update(Float32Array.of(0));
  blend.places.set([0, 0, 0, 0, 0, 1], 0); // the second one is nearer to the viewer
  const out = new Float32Array(4 * FIELDS);
  const view = viewRotation(Float64Array.from(IDENTITY));
  const seen = new Projector(4).run(blend, view, [0, 0, 12], 2.5, head.rasterizer, out);
  assert.equal(seen, 3);
  assert.ok(Math.abs(out[0] - 32) < 1e-4 && Math.abs(out[1] - 32) < 1e-4);
  assert.ok(out[(seen - 1) * FIELDS + 2] > out[2], "the nearest is drawn last and is largest");
});

test("the torso stays while the head does", () => {
  const { header, data } = small();
  const head = decodeHead(header, data);
  const still = torsoWarp(head, IDENTITY, [0, 0, 12], STILL, new Float32Array(32));
  assert.ok(still.every((value) => Math.abs(value) < 1e-6));
  const moved = torsoWarp(head, IDENTITY, [0.5, 0, 12], STILL, new Float32Array(32));
  head.plates.nearer.fill(6.4);
  const nearer = torsoWarp(head, IDENTITY, [0.5, 0, 12], STILL, new Float32Array(32));
  assert.ok(nearer[0] < 1.8 * moved[0], "hair at half the distance goes twice as far in the picture");
  head.plates.follow.fill(0);
  const shoulders = torsoWarp(head, IDENTITY, [0, 0, 12], [1, 0, 0.1, 0, 1, 0], new Float32Array(32));
  assert.ok(Math.abs(shoulders[0] + 0.1) < 1e-6, "shoulders that move by themselves come from where they were");
  assert.ok(moved[0] < -0.05, "it comes from further left when the head goes right");
});

test("idling blinks, sways and is the same at the same moment", () => {
  const { header, data } = small();
  const performer = new Performer(decodeHead(header, data));
  assert.equal(blinkCurve(0.1), 1);
  assert.equal(blinkCurve(2), 0);
  const moments = new Set([...Array(60).keys()].map(lastBlink));
  assert.ok(moments.size > 8 && moments.size < 30);
  assert.deepEqual(performer.at(7, false), performer.at(7, false));
  assert.deepEqual([...performer.at(0, false).rotation], IDENTITY);
  performer.orbit.yaw = 30;
  assert.ok(Math.abs(performer.at(0, false).rotation[2] - 0.5) < 1e-6);
});
