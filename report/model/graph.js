// SPDX-License-Identifier: Apache-2.0
// What graphs and trees draw: nodes that are made when somebody asks for them, from the root to the callees, or from a
// function to its callers. So a profile of 100,000 stacks costs what is visible of it.

import { childrenOf, ownTree, sumTree } from './tree.js';

/** @typedef {import('./types.js').Selection} Selection */
/** @typedef {import('./types.js').Tree} Tree */
/**
 * @typedef {{
 *   fn: number, value: number, base: number, own: number, ownBase: number, up: GraphNode | null,
 *   kids: () => GraphNode[], id: number
 * }} GraphNode
 *   fn: of tree.functions, or -1 for a root. value: with callees (or, of callers: what comes through here).
 *   base: the same of the other side, 0 without one. kids: the weightiest first. id: the tree's node, or -1.
 */

/** @param {GraphNode} n */
export const widthOf = n => n.value + n.base;
/** @param {GraphNode} a @param {GraphNode} b */
const heavier = (a, b) => b.value + b.base - a.value - a.base || a.fn - b.fn;

/** @param {() => GraphNode[]} make @returns {() => GraphNode[]} */
function once(make) {
  /** @type {GraphNode[] | null} */
  let known = null;
  return () => known || (known = make().sort(heavier));
}

/** @typedef {{ tree: Tree, value: Float64Array, own: Float64Array, base: Float64Array | null, ownBase: Float64Array | null, from: Float64Array | null }} Sums */
/**
 * By the weights that were summed up: a search makes another selection of the same ones.
 * @type {WeakMap<Float64Array, Sums>}
 */
const sums = new WeakMap();

/** @typedef {{ tree: Tree, weight: Float64Array, value: Float64Array, own: Float64Array }} OneSum */

/**
 * What a drag over the time line changes in place: of 100,000 stacks, an interval more or less changes a few thousand.
 * @type {{ now: OneSum | null, base: OneSum | null }}
 */
const moved = { now: null, base: null };

/** @param {Tree} tree @param {Float64Array} weight @param {'now' | 'base'} side @returns {OneSum} */
function moveSum(tree, weight, side) {
  const last = moved[side], differ = [];
  if (last && last.tree === tree) for (let i = 0; i < weight.length; i++) if (weight[i] !== last.weight[i]) differ.push(i);
  if (!last || last.tree !== tree || differ.length > weight.length / 8)
    return moved[side] = { tree, weight, value: sumTree(tree, weight), own: ownTree(tree, weight) };
  for (const i of differ) {
    const more = weight[i] - last.weight[i], at = tree.nodeOf[i];
    last.own[at] += more;
    for (let n = at; n >= 0; n = tree.parent[n]) last.value[n] += more;
  }
  last.weight = weight;
  return last;
}

/** @param {Selection} s @returns {Sums} */
function movedSums(s) {
  const now = moveSum(s.tree, s.weight, 'now'), base = s.base && moveSum(s.tree, s.base, 'base');
  return { tree: s.tree, from: s.base, value: now.value, own: now.own, base: base && base.value, ownBase: base && base.own };
}

/**
 * Values of the tree's nodes.
 * @param {Selection} s @returns {Sums}
 */
export function sumsOf(s) {
  if (s.moving) return movedSums(s);
  moved.now = moved.base = null;
  let known = sums.get(s.weight);
  if (!known || known.tree !== s.tree || known.from !== s.base) sums.set(s.weight, known = {
    tree: s.tree, from: s.base,
    value: sumTree(s.tree, s.weight), own: ownTree(s.tree, s.weight),
    base: s.base && sumTree(s.tree, s.base), ownBase: s.base && ownTree(s.tree, s.base),
  });
  return known;
}

/** @param {Selection} s @returns {GraphNode} the root, with callees below */
export function callees(s) {
  const v = sumsOf(s), { first, list } = childrenOf(s.tree);
  /** @param {number} id @param {GraphNode | null} up @returns {GraphNode} */
  const node = (id, up) => {
    /** @type {GraphNode} */
    const n = { id, fn: s.tree.fn[id], up, value: v.value[id], base: v.base ? v.base[id] : 0,
                own: v.own[id], ownBase: v.ownBase ? v.ownBase[id] : 0, kids: () => [] };
    n.kids = once(() => {
      const kids = [];
      for (let i = first[id]; i < first[id + 1]; i++)
        if (v.value[list[i]] > 0 || (v.base && v.base[list[i]] > 0)) kids.push(node(list[i], n));
      return kids;
    });
    return n;
  };
  return node(0, null);
}

/**
 * Places in the tree, and what came from below each: columns.
 * @typedef {{ node: number[], value: number[], base: number[] }} Places
 */

/** @param {Tree} tree @param {number} fn @param {Places} places @param {GraphNode | null} up @param {boolean} isOwn @returns {GraphNode} */
function callerNode(tree, fn, places, up, isOwn) {
  let value = 0, base = 0;
  for (let i = 0; i < places.node.length; i++) { value += places.value[i]; base += places.base[i]; }
  /** @type {GraphNode} */
  const n = { id: -1, fn, up, value, base, own: isOwn ? value : 0, ownBase: isOwn ? base : 0, kids: () => [] };
  n.kids = once(() => {
    /** @type {Map<number, Places>} */
    const by = new Map();
    for (let i = 0; i < places.node.length; i++) {
      const at = places.node[i];
      if (at <= 0) continue;
      const f = tree.fn[at];
      let list = by.get(f);
      if (!list) by.set(f, list = { node: [], value: [], base: [] });
      list.node.push(tree.parent[at]);
      list.value.push(places.value[i]);
      list.base.push(places.base[i]);
    }
    return [...by].map(([f, list]) => callerNode(tree, f, list, n, up === null && fn < 0));
  });
  return n;
}

/**
 * The root, with the functions that take the time below it, and below each those that call it.
 * @param {Selection} s @returns {GraphNode}
 */
export function callersOfAll(s) {
  const v = sumsOf(s);
  /** @type {Places} */
  const places = { node: [], value: [], base: [] };
  for (let i = 0; i < v.own.length; i++) {
    const base = v.ownBase ? v.ownBase[i] : 0;
    if (v.own[i] > 0 || base > 0) { places.node.push(i); places.value.push(v.own[i]); places.base.push(base); }
  }
  return callerNode(s.tree, -1, places, null, false);
}

/** Where a function is in the tree and is not open already: a recursive one counts once.
 * @param {Tree} tree @param {number} fn */
function outermost(tree, fn) {
  const within = new Uint8Array(tree.parent.length), result = [];
  for (let i = 1; i < within.length; i++) {
    within[i] = within[tree.parent[i]];
    if (tree.fn[i] === fn) { if (!within[i]) result.push(i); within[i] = 1; }
  }
  return result;
}

/**
 * One function, with its callers as kids.
 * @param {Selection} s @param {number} fn @returns {GraphNode}
 */
export function callersOf(s, fn) {
  const v = sumsOf(s), at = outermost(s.tree, fn);
  const places = { node: at.map(i => s.tree.parent[i]), value: at.map(i => v.value[i]), base: at.map(i => v.base ? v.base[i] : 0) };
  return callerNode(s.tree, fn, places, null, false);
}

/**
 * One function, with what it calls as kids.
 * @param {Selection} s @param {number} fn @returns {GraphNode}
 */
export function calleesOf(s, fn) {
  const v = sumsOf(s), { first, list } = childrenOf(s.tree);
  /** @param {number} f @param {number[]} ids @param {GraphNode | null} up @returns {GraphNode} */
  const node = (f, ids, up) => {
    const add = (/** @type {Float64Array | null} */ a) => a ? ids.reduce((t, i) => t + a[i], 0) : 0;
    /** @type {GraphNode} */
    const n = { id: -1, fn: f, up, value: add(v.value), base: add(v.base), own: add(v.own), ownBase: add(v.ownBase), kids: () => [] };
    n.kids = once(() => {
      /** @type {Map<number, number[]>} */
      const by = new Map();
      for (const id of ids)
        for (let i = first[id]; i < first[id + 1]; i++) {
          const k = list[i], g = s.tree.fn[k];
          if (!(v.value[k] > 0 || (v.base && v.base[k] > 0))) continue;
          const known = by.get(g);
          if (known) known.push(k); else by.set(g, [k]);
        }
      return [...by].map(([g, all]) => node(g, all, n));
    });
    return n;
  };
  return node(fn, outermost(s.tree, fn), null);
}
