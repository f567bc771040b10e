// SPDX-License-Identifier: Apache-2.0
/**
 * The two sides of a comparison of reports: which one is the base, and the profiles of both as the page shows them.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {{name: string, profiles: Profile[]}} Side
 */
import { alignAll } from './align.js';

/**
 * When the first profile began.
 * @param {Side} side
 */
const startOf = side => side.profiles.reduce((least, p) => p.start ? Math.min(least, p.start) : least, Infinity);

/**
 * Of two reports, the older one is the base.
 * @param {Side} own @param {Side} other @returns {[Side, Side]} base and now
 */
export const inOrder = (own, other) => startOf(own) < startOf(other) ? [own, other] : [other, own];

/**
 * How many profiles have a partner.
 * @param {Profile[]} profiles
 */
export const pairs = profiles => profiles.filter(p => p.other).length;

/** @param {Side} base @param {Side} now @returns {Profile[]} */
export const mergeSides = (base, now) => alignAll(base.profiles, now.profiles, base.name || 'the other report');

/**
 * The profiles of a page that was made with two sides, as by `cprof diff --html`: side 0 is the base.
 * @param {Profile[]} profiles @param {{name: string}[]} sides
 */
export function mergeOwnSides(profiles, sides) {
  if (sides.length < 2) return profiles;
  const of = (/** @type {number} */ side) => ({ name: sides[side].name, profiles: profiles.filter(p => p.side === side) });
  const merged = mergeSides(of(0), of(1));
  return merged.length ? merged : profiles;
}
