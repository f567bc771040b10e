// SPDX-License-Identifier: Apache-2.0
/**
 * Two profiles as one, so that a comparison has one index space: nodes and samples of both sides.
 *
 * Two builds of a program differ in lines, in what the compiler inlined or split off, and in the names of
 * their files. So a frame is its function here, and a function is its name. Its module counts only if one side
 * has the name in two modules, and both sides have the module: then two functions of one name stay two.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {import('./types.js').Fn} Fn
 */
import { Pairs } from './pairs.js';

/** What compilers append to the names of parts and copies of a function: "f.isra.0", "f.cold", "f [clone .part.1]". */
const CLONE = /(?:\s*\[clone [^\]]*\]|\.(?:isra|constprop|part|cold|llvm|lto_priv|localalias)(?:\.\d+)*)+$/;

/** @param {string} name */
export const plainName = name => name.replace(CLONE, '') || name;

/**
 * How both sides call a function. Of two builds, functions without a name begin at different addresses, so that they are one a
 * module, as `cprof diff` has it.
 * @param {Fn} f
 */
const commonName = f => f.module && f.name.startsWith(f.module + '+0x') ? '[' + f.module + ']' : plainName(f.name);

/** @param {string} path */
const last = path => path.slice(path.lastIndexOf('/') + 1);

/**
 * Numbers for keys, in the order in which they come.
 * @template T
 */
class Numbers {
  constructor() {
    /** @type {Map<string | number, number>} */
    this.map = new Map();
    /** @type {T[]} */
    this.list = [];
  }

  /** @param {string | number} key @param {() => T} make */
  of(key, make) {
    let n = this.map.get(key);
    if (n === undefined) {
      n = this.list.length;
      this.map.set(key, n);
      this.list.push(make());
    }
    return n;
  }
}

/** @param {Profile} a @param {Profile} b */
function sharedModules(a, b) {
  const of = (/** @type {Profile} */ p) => new Set(p.functions.map(f => last(f.module)));
  const other = of(b);
  return new Set([...of(a)].filter(module => other.has(module)));
}

/**
 * Names that one side has in two modules.
 * @param {Profile[]} sides
 */
function doubleNames(sides) {
  /** @type {Set<string>} */
  const double = new Set();
  for (const { functions } of sides) {
    const seen = new Map();
    for (const f of functions) {
      const name = commonName(f), module = last(f.module);
      if (seen.has(name) && seen.get(name) !== module) double.add(name);
      seen.set(name, module);
    }
  }
  return double;
}

/** @param {Profile} a @param {Profile} b */
function mergeTypes(a, b) {
  const key = (/** @type {{type: string, unit: string}} */ t) => t.type + '/' + t.unit;
  const types = [...a.types, ...b.types.filter(t => !a.types.some(u => key(u) === key(t)))];
  const from = (/** @type {Profile} */ p) => types.map(t => p.types.findIndex(u => key(u) === key(t)));
  return { types, from: [from(a), from(b)] };
}

/**
 * The nodes of one side in the shared tree.
 * @param {Profile} p @param {Int32Array} frameOf @param {Pairs} nodes
 */
function addNodes(p, frameOf, nodes) {
  const node = new Int32Array(p.nodes.parent.length);
  for (let i = 1; i < node.length; i++) node[i] = nodes.get(node[p.nodes.parent[i]], frameOf[p.nodes.frame[i]]);
  return node;
}

/**
 * Samples of side 1 first, so that intervals of it stay as they are.
 * @param {Profile} p @param {number} first @param {number} total @param {number[]} from
 */
function spread(p, first, total, from) {
  return from.map(own => {
    const values = new Float64Array(total);
    if (own >= 0) values.set(p.samples.values[own], first);
    return values;
  });
}

/** @param {Profile} p @param {number} first @param {number[]} from */
const moveIntervals = (p, first, from) => p.intervals.map(i => ({
  ...i, totals: from.map(t => t < 0 ? 0 : i.totals[t]), sample: i.sample.map(s => s + first),
  values: from.map(t => t < 0 ? new Float64Array(i.sample.length) : i.values[t]),
}));

/**
 * What `now` has, beside what `base` has: `other` of the result. The tables of both are the result's.
 * @param {Profile} base @param {Profile} now @param {string} name of the base
 * @returns {Profile}
 */
export function align(base, now, name) {
  const sides = [now, base], shared = sharedModules(now, base), { types, from } = mergeTypes(now, base);
  /** @type {Numbers<Fn>} */
  const functions = new Numbers();
  const double = doubleNames(sides), keyOf = (/** @type {Fn} */ f) => {
    const name = commonName(f), module = last(f.module);
    return name + '\0' + (double.has(name) && shared.has(module) ? module : '');
  };
  const fnOf = sides.map(p => p.functions.map(f => functions.of(keyOf(f), () => ({ ...f, name: commonName(f) }))));
  const count = functions.list.length, inlined = new Uint8Array(count), line = new Int32Array(count);
  const nodes = new Pairs(now.nodes.parent.length + base.nodes.parent.length);
  nodes.get(-1, -1);
  const nodeOf = sides.map((p, side) => {
    const frameOf = p.frames.fn.map(fn => fnOf[side][fn]);
    p.frames.inlined.forEach((is, i) => { inlined[frameOf[i]] |= is; });
    return addNodes(p, frameOf, nodes);
  });
  const { a: parent, b: frame } = nodes.columns(), first = now.samples.node.length, total = first + base.samples.node.length;
  const node = new Int32Array(total), set = new Int32Array(total);
  sides.forEach((p, side) => p.samples.node.forEach((n, i) => {
    node[side * first + i] = nodeOf[side][n];
    set[side * first + i] = side * now.sets.length + p.samples.set[i];
  }));
  return {
    ...now, side: 0, types, functions: functions.list, frames: { fn: Int32Array.from(functions.list.keys()), line, inlined },
    nodes: { parent, frame },
    samples: { node, set, values: spread(now, 0, total, from[0]) }, sets: [...now.sets, ...base.sets],
    intervals: moveIntervals(now, 0, from[0]),
    other: { name, comments: base.comments, start: base.start, end: base.end, values: spread(base, first, total, from[1]), intervals: moveIntervals(base, first, from[1]) },
  };
}

/**
 * All profiles of one side with those of the other: of the same kind, and of the same program or, if each side has one program,
 * of that. What has no partner stays alone.
 * @param {Profile[]} bases @param {Profile[]} nows @param {string} name of the base
 */
export function alignAll(bases, nows, name) {
  const single = (/** @type {Profile[]} */ list) => new Set(list.map(p => p.program)).size === 1;
  const anyProgram = single(bases) && single(nows), sameTypes = (/** @type {Profile} */ a, /** @type {Profile} */ b) =>
    a.types.some(t => b.types.some(u => t.type === u.type && t.unit === u.unit));
  return nows.map(now => {
    const base = bases.find(p => p.kind === now.kind && (anyProgram || p.program === now.program) && sameTypes(p, now));
    return base ? align(base, now, name) : { ...now, side: 0 };
  });
}
