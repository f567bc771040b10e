// SPDX-License-Identifier: Apache-2.0
// Which functions a text finds: part of a name, a regular expression, module:NAME, or =NAME for exactly that one.

import { sumsOf } from './graph.js';

/** @typedef {import('./types.js').Fn} Fn */
/** @typedef {import('./types.js').Selection} Selection */

/** @param {string} text @param {boolean} regex @returns {{ test: ((fn: Fn) => boolean) | null, error: string }} */
export function matcher(text, regex) {
  const term = text.trim();
  if (!term) return { test: null, error: '' };
  if (/^module:/i.test(term)) { const m = term.slice(7).toLowerCase(); return { test: f => f.module.toLowerCase().includes(m), error: '' }; }
  if (term[0] === '=') { const m = term.slice(1); return { test: f => f.name === m, error: '' }; }
  if (regex) {
    try {
      const pattern = new RegExp(term, 'i');
      return { test: f => pattern.test(f.name), error: '' };
    } catch (error) { return { test: () => false, error: 'not a regular expression' }; }
  }
  const low = term.toLowerCase();
  return { test: f => f.name.toLowerCase().includes(low), error: '' };
}

/**
 * By function, 1 where it matches, or null if nothing is asked for.
 * @param {Fn[]} functions @param {string} text @param {boolean} regex
 */
export function match(functions, text, regex) {
  const { test, error } = matcher(text, regex);
  return { matched: test && Uint8Array.from(functions, f => test(f) ? 1 : 0), error };
}

/**
 * What stacks with a match have of the selection, and how many functions match.
 * @param {Selection} s
 */
export function found(s) {
  const { matched, tree } = s;
  if (!matched) return null;
  const on = new Uint8Array(tree.parent.length);
  let value = 0, base = 0, functions = 0;
  for (let i = 1; i < on.length; i++) on[i] = on[tree.parent[i]] | matched[tree.fn[i]];
  for (let i = 0; i < s.weight.length; i++)
    if (on[tree.nodeOf[i]]) { value += s.weight[i]; if (s.base) base += s.base[i]; }
  for (const m of matched) functions += m;
  return { value, base, functions };
}

/** Nodes of the tree that match and weigh something, the weightiest first: for the next and the previous match.
 * @param {Selection} s @param {number} most */
export function matchingNodes(s, most) {
  const { matched, tree } = s;
  if (!matched) return [];
  const sum = sumsOf(s).value, list = [];
  for (let i = 1; i < sum.length; i++) if (matched[tree.fn[i]] && sum[i] > 0) list.push(i);
  return list.sort((a, b) => sum[b] - sum[a] || a - b).slice(0, most);
}
