// SPDX-License-Identifier: Apache-2.0
// How a change is written: with its sign and share, so that it is not told by colour alone.

import { amount, percent } from '../model/text.js';
import { make } from './dom.js';

/**
 * "+12.3 %", "new" or "gone".
 * @param {number} value @param {number} base
 */
export function changeText(value, base) {
  if (!base) return value ? 'new' : '';
  if (!value) return 'gone';
  const change = value / base - 1;
  return (Math.abs(change) < 1e-9 ? '±' : change > 0 ? '+' : '\u2212') + percent(Math.abs(change));
}

/**
 * "+1.2 s".
 * @param {number} difference @param {string} unit
 */
export const signed = (difference, unit) => (difference > 0 ? '+' : difference < 0 ? '\u2212' : '') + amount(Math.abs(difference), unit);

/** @param {number} value @param {number} base @param {string} unit */
export const changeCell = (value, base, unit) =>
  make('span', { class: value > base ? 'grew' : value < base ? 'shrank' : '', title: amount(base, unit) + ' before, ' + amount(value, unit) + ' now' },
    Math.abs(value - base) < 1e-9 * Math.max(value, base) ? '' : signed(value - base, unit) + '  ' + changeText(value, base));
