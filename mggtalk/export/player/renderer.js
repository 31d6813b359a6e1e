// Drawing with WebGL 2: splats in floating point from back to front, then the head before its torso and background.
import { FIELDS } from "./project.js";

const SPLAT_VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
layout(location = 1) in vec4 place; // centre and reach, pixels
layout(location = 2) in vec4 shape; // inverse covariance, opacity
layout(location = 3) in vec3 colour;
uniform float side;
out vec2 offset;
flat out vec4 form;
flat out vec3 paint;
void main() {
  offset = corner * place.zw;
  form = shape;
  paint = colour;
  vec2 at = (place.xy + offset) / side * 2.0 - 1.0;
  gl_Position = vec4(at.x, -at.y, 0.0, 1.0);
}`;

const SPLAT_FRAGMENT = `#version 300 es
precision highp float;
in vec2 offset;
flat in vec4 form;
flat in vec3 paint;
uniform vec2 alphas; // least and most
out vec4 result;
void main() {
  float sigma = 0.5 * (form.x * offset.x * offset.x + form.z * offset.y * offset.y) + form.y * offset.x * offset.y;
  float alpha = min(alphas.y, form.w * exp(-sigma));
  if (sigma < 0.0 || alpha < alphas.x) discard;
  result = vec4(paint * alpha, alpha);
}`;

const FRAME_VERTEX = `#version 300 es
layout(location = 0) in vec2 corner;
void main() { gl_Position = vec4(corner, 0.0, 1.0); }`;

const FRAME_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D head, background, torso, torsoAlpha, warp;
uniform float size, shoulder;
out vec4 result;
vec2 offsetAt(vec2 at) {
  float grid = float(textureSize(warp, 0).x);
  vec2 cell = clamp(at * grid - 0.5, 0.0, grid - 1.0);
  ivec2 low = ivec2(cell), high = min(low + 1, int(grid) - 1);
  vec2 share = cell - vec2(low);
  vec2 above = mix(texelFetch(warp, low, 0).xy, texelFetch(warp, ivec2(high.x, low.y), 0).xy, share.x);
  vec2 below = mix(texelFetch(warp, ivec2(low.x, high.y), 0).xy, texelFetch(warp, high, 0).xy, share.x);
  return mix(above, below, share.y);
}
void main() {
  vec2 at = vec2(gl_FragCoord.x, size - gl_FragCoord.y) / size;
  vec2 from = at + offsetAt(at);
  float beyond = abs(from.x - clamp(from.x, 0.0, 1.0));
  from = vec2(from.x, from.y - shoulder * beyond);
  vec3 behind = texture(torso, from).rgb + (1.0 - texture(torsoAlpha, from).r) * texture(background, at).rgb;
  vec4 front = texelFetch(head, ivec2(gl_FragCoord.xy), 0);
  result = vec4(clamp(front.rgb + (1.0 - front.a) * behind, 0.0, 1.0), 1.0);
}`;

function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  return made;
}

export class Renderer {
  // `pictures`: background, torso and torsoAlpha as ImageBitmaps.
  constructor(canvas, rules, plates, pictures) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error("This browser has no WebGL 2.");
    this.gl = gl;
    this.canvas = canvas;
    this.rules = rules;
    this.shoulder = plates.shoulder;
    this.float = gl.getExtension("EXT_color_buffer_float") !== null || gl.getExtension("EXT_color_buffer_half_float") !== null;
    this.splats = program(gl, SPLAT_VERTEX, SPLAT_FRAGMENT);
    this.frame = program(gl, FRAME_VERTEX, FRAME_FRAGMENT);
    this.textures = ["background", "torso", "torsoAlpha"].map((name) => this.picture(pictures[name]));
    this.warp = this.texture(gl.NEAREST);
    this.target = { texture: null, buffer: gl.createFramebuffer(), size: 0 };
    this.arrays();
  }

  arrays() {
    const { gl } = this;
    const corners = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    this.instances = gl.createBuffer();
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    for (const [index, width, start] of [[1, 4, 0], [2, 4, 4], [3, 3, 8]]) {
      gl.enableVertexAttribArray(index);
      gl.vertexAttribPointer(index, width, gl.FLOAT, false, FIELDS * 4, start * 4);
      gl.vertexAttribDivisor(index, 1);
    }
    this.square = gl.createVertexArray();
    gl.bindVertexArray(this.square);
    gl.bindBuffer(gl.ARRAY_BUFFER, corners);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  }

  texture(filter) {
    const { gl } = this;
    const made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, filter);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    return made;
  }

  picture(bitmap) {
    const { gl } = this;
    const made = this.texture(gl.LINEAR);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    return made;
  }

  resize(size) {
    const { gl, target } = this;
    if (target.size === size) return;
    this.canvas.width = this.canvas.height = size;
    if (target.texture) gl.deleteTexture(target.texture);
    target.texture = this.texture(gl.NEAREST);
    const format = this.float ? gl.RGBA16F : gl.RGBA8;
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, size, size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.buffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target.texture, 0);
    target.size = size;
  }

  // Draw what the worker answered.
  draw({ splats, count, warp }) {
    const { gl, target, rules } = this;
    const size = target.size;
    gl.viewport(0, 0, size, size);
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.buffer);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(this.splats);
    gl.uniform1f(gl.getUniformLocation(this.splats, "side"), rules.side);
    gl.uniform2f(gl.getUniformLocation(this.splats, "alphas"), rules.min_alpha, rules.max_alpha);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    gl.bufferData(gl.ARRAY_BUFFER, splats.subarray(0, count * FIELDS), gl.DYNAMIC_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    gl.disable(gl.BLEND);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.useProgram(this.frame);
    const grid = Math.sqrt(warp.length / 2);
    gl.activeTexture(gl.TEXTURE4);
    gl.bindTexture(gl.TEXTURE_2D, this.warp);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG32F, grid, grid, 0, gl.RG, gl.FLOAT, warp);
    [target.texture, ...this.textures].forEach((texture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    });
    ["head", "background", "torso", "torsoAlpha", "warp"].forEach((name, unit) => {
      gl.uniform1i(gl.getUniformLocation(this.frame, name), unit);
    });
    gl.uniform1f(gl.getUniformLocation(this.frame, "size"), size);
    gl.uniform1f(gl.getUniformLocation(this.frame, "shoulder"), this.shoulder);
    gl.bindVertexArray(this.square);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    gl.activeTexture(gl.TEXTURE0);
  }
}
