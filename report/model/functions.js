// SPDX-License-Identifier: Apache-2.0
// What each function has by itself and with its callees.

import { childrenOf } from './tree.js';
import { sumsOf } from './graph.js';

/** @typedef {import('./types.js').Selection} Selection */
/** @typedef {import('./types.js').Tree} Tree */
/** @typedef {{ fn: number, own: number, total: number, ownBase: number, totalBase: number }} Row */

/**
 * Nodes that have no caller of the same function, made once a tree.
 * @type {WeakMap<Tree, Uint8Array>}
 */
const outermost = new WeakMap();

/** @param {Tree} tree */
function outermostOf(tree) {
  const known = outermost.get(tree);
  if (known) return known;
  const { fn } = tree, { first, list } = childrenOf(tree), outer = new Uint8Array(fn.length);
  const open = new Int32Array(tree.functions.length), stack = new Int32Array(fn.length + 1);
  let top = 0;
  for (let i = first[0]; i < first[1]; i++) stack[top++] = list[i];
  /* A node stays below its children, as ~node, until they are done. So each is there once at most. */
  while (top) {
    const id = stack[--top];
    if (id < 0) { open[fn[~id]]--; continue; }
    if (!open[fn[id]]++) outer[id] = 1;
    stack[top++] = ~id;
    for (let i = first[id]; i < first[id + 1]; i++) stack[top++] = list[i];
  }
  outermost.set(tree, outer);
  return outer;
}

/**
 * By function: sums over the places where it is not open already, so that a recursive one counts once.
 * @param {Selection} s @param {Float64Array} sum
 */
function totals(s, sum) {
  const { fn, functions } = s.tree, outer = outermostOf(s.tree), total = new Float64Array(functions.length);
  for (let i = 1; i < fn.length; i++) if (outer[i]) total[fn[i]] += sum[i];
  return total;
}

/** @param {Selection} s @param {Float64Array} own by node */
function owns(s, own) {
  const { fn } = s.tree, sum = new Float64Array(s.tree.functions.length);
  for (let i = 1; i < own.length; i++) sum[fn[i]] += own[i];
  return sum;
}

/**
 * By the sums that they are made of: a search makes no other ones.
 * @type {WeakMap<object, Row[]>}
 */
const rowsOf = new WeakMap();

/**
 * All functions that have something, in no order. Titles of groups are none.
 * @param {Selection} s @returns {readonly Row[]}
 */
export function functionRows(s) {
  const v = sumsOf(s), known = rowsOf.get(v) || makeRows(s, v);
  rowsOf.set(v, known);
  return known;
}

/** @param {Selection} s @param {ReturnType<typeof sumsOf>} v @returns {Row[]} */
function makeRows(s, v) {
  const own = owns(s, v.own), total = totals(s, v.value);
  const ownBase = v.ownBase && owns(s, v.ownBase), totalBase = v.base && totals(s, v.base), rows = [];
  for (let fn = 0; fn < total.length - s.tree.groups; fn++)
    if (total[fn] || own[fn] || (totalBase && totalBase[fn]))
      rows.push({ fn, own: own[fn], total: total[fn], ownBase: ownBase ? ownBase[fn] : 0, totalBase: totalBase ? totalBase[fn] : 0 });
  return rows;
}
