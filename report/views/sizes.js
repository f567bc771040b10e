// SPDX-License-Identifier: Apache-2.0
// How large the blocks are, of those that are selected.

import { histogram, sizeTypes } from '../model/histogram.js';
import { select } from '../model/select.js';
import { amount, count, percent } from '../model/text.js';
import { kept, make } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */

/** @param {number} share @param {string} text */
function barCell(share, text) {
  const bar = make('i');
  bar.style.width = 'calc((100% - 24px) * ' + Math.min(1, share).toFixed(4) + ')';
  return make('td', { class: 'share' }, bar, make('span', {}, text));
}

/** @param {HTMLElement} container @param {Selection} s @param {Store} store */
function render(container, s, store) {
  const table = kept(container, () => {
    const element = make('table', { class: 'functions sizes' });
    container.append(make('p', { class: 'hint' }, 'Sizes are the mean of each stack\'s blocks: of a stack that allocates blocks of different sizes, only their mean is known.'),
      make('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Sizes of blocks' }, element));
    return element;
  });
  const types = sizeTypes(s.profile, s.type);
  if (!types) { table.replaceChildren(); return; }
  const of = (/** @type {number} */ type) => type === s.type ? s.weight : select(s.profile, { ...store.state, type }).weight;
  const bins = histogram(of(types.objects), of(types.bytes)), objects = bins.reduce((sum, bin) => sum + bin.objects, 0), bytes = bins.reduce((sum, bin) => sum + bin.bytes, 0);
  const most = { objects: Math.max(...bins.map(bin => bin.objects)), bytes: Math.max(...bins.map(bin => bin.bytes)) };
  const unit = s.profile.types[types.bytes].unit;
  table.replaceChildren(
    make('caption', {}, (s.profile.types[s.type].type.startsWith('inuse') ? 'Live' : 'Allocated') + ' blocks by size: ' + count(objects) + ' blocks, ' + amount(bytes, unit)),
    make('thead', {}, make('tr', {}, ...['Size', 'Blocks', '', 'Bytes', ''].map((text, n) => text ? make('th', { class: n ? '' : 'left', scope: 'col' }, text) : make('td', {})))),
    make('tbody', {}, ...bins.map(bin => make('tr', {}, make('th', { class: 'left', scope: 'row' }, amount(bin.from, unit) + ' to ' + amount(bin.to, unit)),
      make('td', {}, count(bin.objects)), barCell(bin.objects / (most.objects || 1), percent(bin.objects / (objects || 1))),
      make('td', {}, amount(bin.bytes, unit)), barCell(bin.bytes / (most.bytes || 1), percent(bin.bytes / (bytes || 1)))))));
}

/** @type {import('../model/types.js').View} */
export const sizes = { id: 'sizes', title: 'Sizes', applies: profile => profile.types.some((_, type) => sizeTypes(profile, type)), render };
