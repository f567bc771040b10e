// SPDX-License-Identifier: Apache-2.0
/**
 * How large the allocated blocks are: sizes in powers of two. A sample of a heap profile is the sum of one
 * stack's blocks, so what is known of each is the stack's mean size; a stack that allocates blocks of one size, as
 * most do, is exact.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {{from: number, to: number, objects: number, bytes: number}} Bin  sizes: from <= size < to
 */

/**
 * The types that a histogram is made of, for the type that is shown: allocated, or live.
 * @param {Profile} profile @param {number} type
 * @returns {{objects: number, bytes: number} | null}
 */
export function sizeTypes(profile, type) {
  const prefix = /^(alloc|inuse)_(objects|space|bytes)$/.exec(profile.types[type] ? profile.types[type].type : '');
  if (!prefix) return null;
  const find = (/** @type {string[]} */ ...names) => profile.types.findIndex(t => names.some(n => t.type === prefix[1] + '_' + n));
  const objects = find('objects'), bytes = find('space', 'bytes');
  return objects < 0 || bytes < 0 ? null : { objects, bytes };
}

/**
 * @param {ArrayLike<number>} objects per sample @param {ArrayLike<number>} bytes per sample
 * @returns {Bin[]} without gaps, from the smallest to the largest
 */
export function histogram(objects, bytes) {
  /** @type {Bin[]} */
  const bins = [];
  for (let i = 0; i < objects.length; i++) {
    if (!(objects[i] > 0) || !(bytes[i] >= 0)) continue;
    /* Of a float, the exponent may be off by one at a power of two. */
    const size = bytes[i] / objects[i], n = size < 1 ? 0 : Math.floor(Math.log2(size) + 1e-9);
    while (bins.length <= n) bins.push({ from: bins.length ? 2 ** bins.length : 0, to: 2 ** (bins.length + 1), objects: 0, bytes: 0 });
    bins[n].objects += objects[i];
    bins[n].bytes += bytes[i];
  }
  const first = bins.findIndex(bin => bin.objects > 0);
  return first < 0 ? [] : bins.slice(first);
}
