// SPDX-License-Identifier: Apache-2.0
// Colours of frames: by module, function, own share, or by what grew and shrank.

import { hash } from '../model/text.js';
import { isDark } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/graph.js').GraphNode} GraphNode */

const ladder = [24, 212, 152, 280, 340, 46, 186, 250, 90, 310];

/**
 * Own weight of each module, the program's own first and then the weightiest. What is called in a hooked function has no
 * module, such as malloc or pthread_mutex_lock: it counts for the module that called it.
 * @param {Selection} s @returns {[string, number][]}
 */
export function moduleShares(s) {
  const known = shares.get(s.weight) || sumModules(s);
  shares.set(s.weight, known);
  return known;
}

/** @type {WeakMap<Float64Array, [string, number][]>} */
const shares = new WeakMap();

/** @param {Selection} s @returns {[string, number][]} */
function sumModules(s) {
  const { profile, weight } = s, { node } = profile.samples, { frame, parent } = profile.nodes;
  /** @type {Map<string, number>} */
  const by = new Map();
  for (let i = 0; i < weight.length; i++) {
    if (!node[i]) continue;
    let m = '';
    for (let n = node[i]; n > 0 && !m; n = parent[n]) m = profile.functions[profile.frames.fn[frame[n]]].module;
    by.set(m, (by.get(m) || 0) + weight[i]);
  }
  for (const f of profile.functions) if (!by.has(f.module)) by.set(f.module, 0);
  /* A program that was started by a link has another name than its file. */
  const start = profile.functions.find(f => f.name === '_start' && !f.module.startsWith('ld'));
  const own = by.has(profile.program) || !start ? profile.program : start.module;
  return [...by].filter(([m]) => m).sort((a, b) => Number(b[0] === own) - Number(a[0] === own) || b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** @type {WeakMap<Profile, Map<string, number>>} */
const hues = new WeakMap();

/** @param {Selection} s @returns {Map<string, number>} hue by module; the same for all that is selected of one profile */
export function moduleHues(s) {
  let known = hues.get(s.profile);
  if (!known) {
    known = new Map(moduleShares(s).map(([m], i) => [m, i < ladder.length ? ladder[i] : hash(m) % 360]));
    known.set('', 210);
    hues.set(s.profile, known);
  }
  return known;
}

/** @param {number} hue */
export const dotColour = hue => 'hsl(' + hue + (isDark() ? ' 62% 46%)' : ' 80% 66%)');

/**
 * Of a frame that changed: red grew, blue shrank. change: -1 to 1.
 * @param {number} change @param {boolean} dark
 */
export function changeColour(change, dark) {
  const size = Math.min(1, Math.abs(change)), hue = change > 0 ? 6 : 214;
  return size < .004 ? (dark ? '#39424f' : '#dfe3e9')
    : 'hsl(' + hue + ' ' + Math.round(25 + 60 * size) + '% ' + Math.round(dark ? 30 + 14 * size : 88 - 28 * size) + '%)';
}

/**
 * @param {Selection} s @param {GraphNode} n @param {GraphNode} root @param {string} by 'module', 'function' or 'share'
 * @param {boolean} faded
 */
export function frameColour(s, n, root, by, faded) {
  const dark = isDark(), f = s.tree.functions[n.fn];
  if (!f || n.fn >= s.tree.functions.length - s.tree.groups) return faded ? (dark ? '#20252d' : '#eceef1') : dark ? '#39424f' : '#ccd3dc';
  if (s.base && !faded) return changeColour((n.value - n.base) / (Math.max(n.value, n.base) || 1), dark);
  const own = by === 'share' ? Math.min(1, n.own / (root.value || 1) * 8) : 0, seed = hash(f.name);
  const hue = by === 'function' ? seed % 360 : by === 'share' ? 30 - own * 22 : moduleHues(s).get(f.module) ?? hash(f.module) % 360;
  const named = f.module && !/^\[|\+0x[0-9a-f]+$/.test(f.name);
  const sat = faded ? 8 : !named ? 10 : by === 'share' ? 20 + own * 70 : dark ? 58 : 84;
  const shift = by === 'share' ? -own * 22 : (seed >>> 8) % 9 - 4, turn = by === 'module' ? (seed >>> 16) % 17 - 8 : 0;
  return 'hsl(' + (hue + turn) + ' ' + sat + '% ' + (dark ? (faded ? 19 : 38) + shift / 1.4 : (faded ? 92 : 77) + shift) + '%)';
}
