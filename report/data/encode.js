// SPDX-License-Identifier: Apache-2.0
// What is shown, as files for other tools: pprof, and folded stacks.

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Tree} Tree */

const utf8 = new TextEncoder();

/** Bytes of protobuf messages, as many as come. */
class Writer {
  constructor() {
    this.bytes = new Uint8Array(4096);
    this.used = 0;
  }

  /** @param {number} more */
  reserve(more) {
    if (this.used + more <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.used + more));
    grown.set(this.bytes.subarray(0, this.used));
    this.bytes = grown;
  }

  /**
   * A varint; an int64 below 0 has ten bytes.
   * @param {number} n
   */
  number(n) {
    this.reserve(10);
    if (n < 0) {
      let rest = BigInt.asUintN(64, BigInt(Math.round(n)));
      for (; rest > 127n; rest >>= 7n) this.bytes[this.used++] = Number(rest & 127n) | 128;
      this.bytes[this.used++] = Number(rest);
      return;
    }
    for (n = Math.round(n); n > 127; n = Math.floor(n / 128)) this.bytes[this.used++] = n % 128 | 128;
    this.bytes[this.used++] = n;
  }

  /** @param {number} field @param {number} n */
  put(field, n) {
    if (!n) return;
    this.number(field * 8);
    this.number(n);
  }

  /** @param {number} field @param {Uint8Array} bytes */
  block(field, bytes) {
    this.number(field * 8 + 2);
    this.number(bytes.length);
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** @param {number} field @param {(inner: Writer) => void} fill */
  message(field, fill) {
    const inner = spare.pop() || new Writer();
    inner.used = 0;
    fill(inner);
    this.block(field, inner.done());
    spare.push(inner);
  }

  done() { return this.bytes.subarray(0, this.used); }
}

/**
 * Writers of messages inside others, to be used again.
 * @type {Writer[]}
 */
const spare = [];

class Texts {
  constructor() { this.index = new Map([['', 0]]); }
  /** @param {string} text */
  get(text) {
    let n = this.index.get(text);
    if (n === undefined) this.index.set(text, n = this.index.size);
    return n;
  }
}

/** @param {Writer} out @param {Texts} texts @param {number} field @param {{ type: string, unit: string }} pair */
const putType = (out, texts, field, pair) => out.message(field, w => { w.put(1, texts.get(pair.type)); w.put(2, texts.get(pair.unit)); });

/** @param {Selection} s @param {number} i @param {Writer} out @param {Texts} texts */
function putSample(s, i, out, texts) {
  const { tree, profile } = s, set = profile.sets[profile.samples.set[i]];
  out.message(1, w => { for (let n = tree.nodeOf[i]; n > 0; n = tree.parent[n]) if (tree.fn[n] >= 0) w.number(tree.fn[n] + 1); });
  out.message(2, w => w.number(s.weight[i]));
  const label = (/** @type {string} */ key, /** @type {string} */ str, num = 0) =>
    out.message(3, w => { w.put(1, texts.get(key)); w.put(2, texts.get(str)); w.put(3, num); });
  if (set.pid) label('pid', '', set.pid);
  if (set.thread) label('thread', set.thread);
  for (const [key, value] of Object.entries(set.labels)) label(key, value);
}

/** @param {Tree} tree @param {Writer} out @param {Texts} texts */
function putFunctions(tree, out, texts) {
  const modules = [...new Set(tree.functions.map(f => f.module).filter(Boolean))];
  const mapping = new Map(modules.map((m, i) => [m, i + 1]));
  modules.forEach((m, i) => out.message(3, w => { w.put(1, i + 1); w.put(5, texts.get(m)); w.put(7, 1); }));
  tree.functions.forEach((f, i) => {
    out.message(4, w => {
      w.put(1, i + 1);
      w.put(2, mapping.get(f.module) || 0);
      w.message(4, line => { line.put(1, i + 1); line.put(2, f.line); });
    });
    out.message(5, w => { w.put(1, i + 1); w.put(2, texts.get(f.name)); w.put(4, texts.get(f.file)); w.put(5, f.line); });
  });
}

/**
 * A profile with the type that is shown, without what filters leave out. Hidden functions are gone.
 * @param {Selection} s @param {[number, number] | null} span @returns {Uint8Array} not compressed
 */
export function pprofOf(s, span) {
  const out = new Writer(), texts = new Texts(), { profile } = s, [start, end] = span || [profile.start, profile.end];
  putType(out, texts, 1, profile.types[s.type]);
  for (let i = 0; i < s.weight.length; i++) if (s.weight[i]) out.message(2, w => putSample(s, i, w, texts));
  putFunctions(s.tree, out, texts);
  out.put(9, start * 1e6);
  out.put(10, Math.max(0, end - start) * 1e6);
  if (profile.period.value) {
    putType(out, texts, 11, profile.period);
    out.put(12, profile.period.value);
  }
  for (const comment of profile.comments) out.put(13, texts.get(comment));
  for (const text of texts.index.keys()) out.block(6, utf8.encode(text));
  return out.done();
}

/** @param {string} name */
const foldedName = name => name.replace(/[;\r\n]/g, ':');

/**
 * One line a stack: root;child;leaf VALUE.
 * @param {Selection} s
 */
export function foldedOf(s) {
  const { tree } = s, own = new Float64Array(tree.parent.length), lines = [];
  for (let i = 0; i < s.weight.length; i++) own[tree.nodeOf[i]] += s.weight[i];
  for (let i = 0; i < own.length; i++) {
    if (!Math.round(own[i])) continue;
    const names = [];
    for (let n = i; n > 0; n = tree.parent[n]) names.push(foldedName(tree.functions[tree.fn[n]].name));
    lines.push((names.reverse().join(';') || '[no stack]') + ' ' + Math.round(own[i]));
  }
  return lines.join('\n') + '\n';
}
