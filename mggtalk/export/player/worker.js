// Off the main thread: blending, projection, depth sort and the torso's warp of one frame after the other.
import { Blend } from "./blend.js";
import { torsoWarp } from "./follow.js";
import { viewRotation } from "./geometry.js";
import { decodeHead } from "./head_file.js";
import { FIELDS, Projector } from "./project.js";

const STILL_TORSO = [1, 0, 0, 0, 1, 0];

export class Stage {
  constructor(header, data) {
    this.head = decodeHead(header, data);
    this.blend = new Blend(this.head);
    this.projector = new Projector(this.blend.count);
  }

  // One frame; `splats` and `warp` are buffers to be written to, if there are any from a frame before.
  frame({ change, rotation, translation, torso, splats, warp }) {
    const start = performance.now();
    const { head, blend } = this;
    const out = splats ?? new Float32Array(blend.count * FIELDS);
    blend.update(change);
    const turn = viewRotation(Float64Array.from(rotation));
    const count = this.projector.run(blend, turn, translation, head.focalRatio, head.rasterizer, out);
    const offsets = torsoWarp(head, rotation, translation, torso ?? STILL_TORSO, warp ?? new Float32Array(2 * head.plates.grid ** 2));
    return { splats: out, warp: offsets, count, milliseconds: performance.now() - start };
  }
}

export function listen(scope) {
  let stage = null;
  scope.onmessage = ({ data: message }) => {
    try {
      if (message.header) {
        stage = new Stage(message.header, message.data);
        scope.postMessage({ ready: true });
      } else {
        const answer = stage.frame(message);
        scope.postMessage({ ...answer, id: message.id }, [answer.splats.buffer, answer.warp.buffer]);
      }
    } catch (error) {
      scope.postMessage({ error: error.message, id: message.id });
    }
  };
}

if (typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope) listen(globalThis);
