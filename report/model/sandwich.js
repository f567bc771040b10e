// SPDX-License-Identifier: Apache-2.0
/**
 * One function, those that call it above, those that it calls below. The sums of the first level are those of
 * `go tool pprof -peek`: a sample counts once for each caller and callee, and a call of itself is none. On a way that
 * comes back to the function, the tree ends: what is beyond stands at the function itself.
 *
 * Only what is open is made, so that a tree of 100,000 stacks costs what is seen of it. An item stands for all nodes
 * that one way leads to. Samples below two of them count once.
 *
 * @typedef {import('./types.js').Selection} Selection
 * @typedef {import('./types.js').Tree} Tree
 * @typedef {{fn: number, value: number, own: number, base: number, ownBase: number, nodes: number[], from: number[], recursive: boolean}} Item
 *   nodes: where it stands; from: for callers, below which node each of them counts; recursive: the function again
 * @typedef {{at: Int32Array, end: Int32Array}} Walk  of each node, its place in a walk, and that behind its subtree
 */
import { childrenOf, ownTree, sumTree } from './tree.js';

/** @type {WeakMap<Tree, Walk>} */
const walks = new WeakMap();

/** @param {Tree} tree @returns {Walk} */
function walkOf(tree) {
  const known = walks.get(tree);
  if (known) return known;
  const { parent } = tree, count = parent.length;
  const size = new Int32Array(count).fill(1), at = new Int32Array(count), end = new Int32Array(count), used = new Int32Array(count);
  for (let i = count - 1; i > 0; i--) size[parent[i]] += size[i];
  for (let i = 0; i < count; i++) { /* parents come before their children */
    if (i) {
      at[i] = at[parent[i]] + 1 + used[parent[i]];
      used[parent[i]] += size[i];
    }
    end[i] = at[i] + size[i];
  }
  const walk = { at, end };
  walks.set(tree, walk);
  return walk;
}

/**
 * The nodes that are in no other's subtree.
 * @param {Walk} walk @param {number[]} nodes
 */
function outermost(walk, nodes) {
  let end = -1;
  return nodes.slice().sort((a, b) => walk.at[a] - walk.at[b]).filter(node => {
    if (walk.at[node] < end) return false;
    end = walk.end[node];
    return true;
  });
}

/** @param {Float64Array | null} list @param {number[]} nodes */
const add = (list, nodes) => list ? nodes.reduce((sum, n) => sum + list[n], 0) : 0;
/** @param {Item} a @param {Item} b */
const bySize = (a, b) => b.value + b.base - a.value - a.base || a.fn - b.fn;

export class Sandwich {
  /** @param {Selection} selection @param {number} fn of the selection's tree */
  constructor({ tree, weight, base }, fn) {
    this.tree = tree;
    this.fn = fn;
    this.walk = walkOf(tree);
    this.children = childrenOf(tree);
    this.sum = sumTree(tree, weight);
    this.own = ownTree(tree, weight);
    this.baseSum = base && sumTree(tree, base);
    this.baseOwn = base && ownTree(tree, base);
    /** @type {number[]} */
    const nodes = [];
    for (let i = 1; i < tree.fn.length; i++) if (tree.fn[i] === fn) nodes.push(i);
    const entries = nodes.filter(node => tree.fn[tree.parent[node]] !== fn);
    /** The function itself, with what it calls. */
    this.self = this.item(fn, nodes);
    /** @type {Item} */
    this.above = { ...this.self, nodes: entries, from: entries };
  }

  /** @param {number} fn @param {number[]} nodes @param {number[]} [from] @returns {Item} */
  item(fn, nodes, from) {
    const counted = outermost(this.walk, from || nodes);
    return {
      fn, nodes, from: from || [], recursive: false, value: add(this.sum, counted), base: add(this.baseSum, counted),
      own: from ? 0 : add(this.own, nodes), ownBase: from ? 0 : add(this.baseOwn, nodes),
    };
  }

  /** @param {Item} [item] above, or one of its callers @returns {Item[]} */
  callers(item = this.above) {
    /** @type {Map<number, {nodes: number[], from: number[]}>} */
    const by = new Map();
    if (!item.recursive) item.nodes.forEach((node, i) => {
      const up = this.tree.parent[node];
      if (node <= 0 || up <= 0) return;
      const fn = this.tree.fn[up], entry = by.get(fn) || { nodes: [], from: [] };
      by.set(fn, entry);
      entry.nodes.push(up);
      entry.from.push(item.from[i]);
    });
    return this.finish([...by].map(([fn, { nodes, from }]) => this.item(fn, nodes, from)));
  }

  /** @param {Item} [item] self, or one of its callees @returns {Item[]} */
  callees(item = this.self) {
    const { first, list } = this.children;
    /** @type {Map<number, number[]>} */
    const by = new Map();
    if (!item.recursive) for (const node of item.nodes)
      for (let i = first[node]; i < first[node + 1]; i++) {
        const fn = this.tree.fn[list[i]], nodes = by.get(fn);
        if (item === this.self && fn === this.fn) continue;
        if (nodes) nodes.push(list[i]); else by.set(fn, [list[i]]);
      }
    return this.finish([...by].map(([fn, nodes]) => this.item(fn, nodes)));
  }

  /** @param {Item[]} items */
  finish(items) {
    for (const item of items) item.recursive = item.fn === this.fn;
    return items.filter(item => item.value || item.base).sort(bySize);
  }
}
