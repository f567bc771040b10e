// SPDX-License-Identifier: Apache-2.0
// The tree of stacks by function, as filters make it. A profile's nodes differ by line, too; here they do not.

import { Pairs } from './pairs.js';
import { Trie } from './trie.js';

/** @typedef {import('./types.js').Profile} Profile */
/** @typedef {import('./types.js').Tree} Tree */
/** @typedef {{ hidden: Uint8Array | null, collapse: boolean, groupOf: Int32Array | null, titles: string[] }} Shape
 *   hidden: by function. groupOf: by sample, an index of titles. */

/** The ancestor of node, itself included, that has this function, or -1.
 * @param {Trie} trie @param {number} node @param {number} fn */
function openNode(trie, node, fn) {
  for (; node > 0; node = trie.parent[node]) if (trie.key[node] === fn) return node;
  return -1;
}

/**
 * From each of the profile's nodes to one of the trie of functions.
 * @param {Profile} profile @param {Shape} shape @param {Trie} trie
 */
function mapNodes(profile, shape, trie) {
  const { parent, frame } = profile.nodes, fnOf = profile.frames.fn, to = new Int32Array(parent.length);
  for (let i = 1; i < parent.length; i++) {
    const fn = fnOf[frame[i]], up = to[parent[i]];
    if (shape.hidden && shape.hidden[fn]) { to[i] = up; continue; }
    const open = shape.collapse ? openNode(trie, up, fn) : -1;
    to[i] = open >= 0 ? open : trie.get(up, fn);
  }
  return to;
}

/** @type {WeakMap<Profile, boolean>} */
const distinct = new WeakMap();

/**
 * Whether siblings have different functions, so that the profile's nodes are those of functions. They are, if no line
 * is known, or if each function is called from one line.
 * @param {Profile} profile
 */
function isByFunction(profile) {
  let known = distinct.get(profile);
  if (known === undefined) distinct.set(profile, known = profile.frames.fn.length === profile.functions.length);
  return known;
}

/**
 * Puts each sample's stack below the node of its group.
 * @param {{ parent: Int32Array, key: Int32Array }} plain @param {Int32Array} nodeOf @param {Shape} shape @param {number} first
 */
function grouped(plain, nodeOf, shape, first) {
  const trie = new Trie(plain.parent.length + 256), memo = new Pairs(plain.parent.length + 256);
  const groupOf = /** @type {Int32Array} */ (shape.groupOf), result = new Int32Array(nodeOf.length);
  /** @type {number[]} */
  const node = [], path = [];
  for (let i = 0; i < nodeOf.length; i++) {
    const group = groupOf[i];
    let at = nodeOf[i], known = -1;
    path.length = 0;
    for (; at > 0 && (known = memo.find(group, at)) < 0; at = plain.parent[at]) path.push(at);
    let to = at > 0 ? node[known] : trie.get(0, first + group);
    while (path.length) {
      const n = /** @type {number} */ (path.pop());
      to = trie.get(to, plain.key[n]);
      node[memo.get(group, n)] = to;
    }
    result[i] = to;
  }
  return { columns: trie.columns(), nodeOf: result };
}

/** @param {Profile} profile @param {Shape} shape */
function plainTree(profile, shape) {
  const { parent, frame } = profile.nodes, fnOf = profile.frames.fn;
  if (!shape.hidden && !shape.collapse && isByFunction(profile)) {
    const key = frame.map(f => f < 0 ? -1 : fnOf[f]);
    return { columns: { parent, key }, nodeOf: profile.samples.node };
  }
  const trie = new Trie(Math.max(256, parent.length)), to = mapNodes(profile, shape, trie);
  return { columns: trie.columns(), nodeOf: profile.samples.node.map(n => to[n]) };
}

/** @param {Profile} profile @param {Shape} shape @returns {Tree} */
export function buildTree(profile, shape) {
  let { columns, nodeOf } = plainTree(profile, shape), functions = profile.functions;
  if (shape.groupOf) {
    ({ columns, nodeOf } = grouped(columns, nodeOf, shape, functions.length));
    functions = functions.concat(shape.titles.map(name => ({ name, file: '', module: '', line: 0 })));
  }
  return { functions, parent: columns.parent, fn: columns.key, nodeOf, groups: shape.groupOf ? shape.titles.length : 0 };
}

/**
 * What each node of the tree has, callees included.
 * @param {Tree} tree @param {Float64Array} weight of samples
 */
export function sumTree(tree, weight) {
  const sum = ownTree(tree, weight), { parent } = tree;
  for (let i = sum.length - 1; i > 0; i--) sum[parent[i]] += sum[i];
  return sum;
}

/**
 * What each node has by itself.
 * @param {Tree} tree @param {Float64Array} weight
 */
export function ownTree(tree, weight) {
  const sum = new Float64Array(tree.parent.length), { nodeOf } = tree;
  for (let i = 0; i < weight.length; i++) sum[nodeOf[i]] += weight[i];
  return sum;
}

/** @type {WeakMap<Tree, { first: Int32Array, list: Int32Array }>} */
const childLists = new WeakMap();

/**
 * Children of all nodes: those of n are list[first[n]] to list[first[n + 1] - 1].
 * @param {Tree} tree
 */
export function childrenOf(tree) {
  let known = childLists.get(tree);
  if (known) return known;
  const { parent } = tree, count = parent.length, first = new Int32Array(count + 1), list = new Int32Array(Math.max(0, count - 1));
  for (let i = 1; i < count; i++) first[parent[i] + 1]++;
  for (let i = 0; i < count; i++) first[i + 1] += first[i];
  const at = first.slice();
  for (let i = 1; i < count; i++) list[at[parent[i]]++] = i;
  childLists.set(tree, known = { first, list });
  return known;
}
