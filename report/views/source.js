// SPDX-License-Identifier: Apache-2.0
// Source lines with what they cost, of files that were put into the page by `cprof report --sources`.

import { lineCosts, partsOf } from '../model/lines.js';
import { amount, percent } from '../model/text.js';
import { kept, later, make } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/lines.js').FileCost} FileCost */

const AROUND = 6;

class SourceView {
  /** @param {HTMLElement} container */
  constructor(container) {
    /** @type {Selection} */
    this.s = later;
    /** @type {FileCost[]} */
    this.files = [];
    /** @type {Record<string, string>} */
    this.sources = {};
    this.chosen = '';
    this.file = make('select', {});
    this.whole = make('input', { type: 'checkbox' });
    this.hint = make('p', { class: 'hint' });
    this.table = make('table', { class: 'source' });
    container.append(make('div', { class: 'bar' }, make('label', {}, 'File ', this.file), make('label', {}, this.whole, 'all lines')), this.hint,
      make('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Source lines' }, this.table));
    this.file.onchange = () => { this.chosen = this.file.value; this.show(); };
    this.whole.onchange = () => this.show();
  }

  /** @param {Selection} s @param {Store} store */
  update(s, store) {
    this.s = s;
    this.sources = store.model.data.sources;
    this.files = lineCosts(s.profile, s.weight).filter(file => file.file in this.sources);
    /* The function that was looked at last says which file. */
    const fn = s.profile.functions.find(f => store.state.fn && f.name === store.state.fn.split('\t')[0]);
    const wanted = [this.chosen, fn ? fn.file : ''].find(name => this.files.some(file => file.file === name));
    this.file.replaceChildren(...this.files.map(({ file, own }) => make('option', { value: file }, file + '  ' + percent(own / (s.total || 1)))));
    this.file.value = wanted || (this.files[0] ? this.files[0].file : '');
    this.show();
  }

  show() {
    const { s } = this, cost = this.files.find(file => file.file === this.file.value);
    this.hint.textContent = cost ? 'Own cost is of the line itself, with callees of all that it calls.' : 'No line of the sources in this page is in what is shown.';
    if (!cost) { this.table.replaceChildren(); return; }
    const lines = this.sources[cost.file].split('\n'), parts = this.whole.checked ? [/** @type {[number, number]} */ ([1, lines.length])] : partsOf(cost, lines.length, AROUND);
    const most = Math.max(...[...cost.lines.values()].map(line => line.own)) || 1, rows = [];
    for (const [from, to] of parts) {
      if (rows.length) rows.push(make('tr', { class: 'gap' }, make('td', { colSpan: 4 }, '⋯')));
      for (let line = from; line <= to; line++) rows.push(this.makeRow(cost, line, lines[line - 1], most));
    }
    this.table.replaceChildren(make('thead', {}, make('tr', {}, ...['Own', 'With callees', 'Line', s.title].map((text, n) => make('th', { scope: 'col', class: n === 3 ? 'left' : '' }, text)))),
      make('tbody', {}, ...rows));
  }

  /** @param {FileCost} cost @param {number} line @param {string} text @param {number} most */
  makeRow(cost, line, text, most) {
    const { s } = this, at = cost.lines.get(line), own = make('td', {}, at && at.own ? amount(at.own, s.unit) : '');
    if (at && at.own) own.style.background = 'color-mix(in srgb, var(--bar) ' + Math.round(15 + 75 * at.own / most) + '%, transparent)';
    return make('tr', { class: at ? 'paid' : '' }, own, make('td', {}, at ? amount(at.total, s.unit) : ''), make('td', { class: 'number' }, String(line)), make('td', { class: 'left' }, make('code', {}, text)));
  }
}

/** @type {import('../model/types.js').View} */
export const source = {
  id: 'source', title: 'Source',
  applies: (profile, data) => profile.functions.some(f => f.file in data.sources),
  render: (container, selection, store) => kept(container, () => new SourceView(container)).update(selection, store),
};
