// SPDX-License-Identifier: Apache-2.0
// The functions: own, with callees, and in a comparison what they had before.

import { functionRows } from '../model/functions.js';
import { amount, exact, percent, sourceOf, tail } from '../model/text.js';
import { kept, make } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/functions.js').Row} Row */
/**
 * @typedef {{ key: string, title: string, compared?: boolean, wide?: boolean, text?: string, share?: string,
 *             get: (r: Row, s: Selection) => number | string, show?: (r: Row, s: Selection) => string }} Column
 *   wide: a phone has no room for it.
 */

const FIRST = 60;

/** @param {number} n */
const sign = n => n > 0 ? '+' : '';

/** @type {Column[]} */
export const columns = [
  { key: 'own', wide: true, title: 'Own', get: r => r.own },
  { key: 'own%', title: 'Own %', get: r => r.own, share: '' },
  { key: 'total', wide: true, title: 'With callees', get: r => r.total },
  { key: 'total%', title: 'With callees %', get: r => r.total, share: 'cum' },
  { key: 'before', wide: true, title: 'Own before', compared: true, get: r => r.ownBase },
  { key: 'change', title: 'Change', compared: true, get: r => r.own - r.ownBase, show: (r, s) => sign(r.own - r.ownBase) + amount(r.own - r.ownBase, s.unit) },
  { key: 'totalchange', title: 'With callees', compared: true, get: r => r.total - r.totalBase, show: (r, s) => sign(r.total - r.totalBase) + amount(r.total - r.totalBase, s.unit) },
  { key: 'name', title: 'Function', text: 'fn', get: (r, s) => s.tree.functions[r.fn].name },
  { key: 'module', wide: true, title: 'Module', text: 'where', get: (r, s) => s.tree.functions[r.fn].module },
  { key: 'file', wide: true, title: 'Source', text: 'where', get: (r, s) => sourceOf(s.tree.functions[r.fn]), show: (r, s) => tail(sourceOf(s.tree.functions[r.fn])) },
];

/**
 * The rows in the order of the state.
 * @param {Selection} s @param {import('../model/types.js').State} state
 */
export function sortedRows(s, state) {
  const { matched } = s, key = state.sort || (s.base ? 'change' : 'own'), by = columns.find(c => c.key === key) || columns[0];
  const rows = functionRows(s).filter(r => !matched || matched[r.fn]), way = state.ascending ? 1 : -1;
  /* A change sorts by its size, whichever way it went. */
  const value = (/** @type {Row} */ r) => { const v = by.get(r, s); return by.compared && typeof v === 'number' ? Math.abs(v) : v; };
  const keyed = rows.map(row => ({ row, v: value(row) }));
  keyed.sort((a, b) => way * (a.v < b.v ? -1 : a.v > b.v ? 1 : 0) || b.row.own - a.row.own || b.row.total - a.row.total || a.row.fn - b.row.fn);
  return keyed.map(k => k.row);
}

/** @param {Column} c @param {Row} r @param {Selection} s */
function cell(c, r, s) {
  const value = c.get(r, s);
  if (c.share !== undefined) {
    const share = /** @type {number} */ (value) / (s.total || 1), bar = make('i');
    bar.style.width = 'calc((100% - 24px) * ' + Math.max(0, Math.min(1, share)).toFixed(4) + ')';
    return make('td', { class: 'share ' + c.share + (s.base ? ' wide' : '') }, bar, make('span', {}, percent(share)));
  }
  const td = make('td', { class: (c.wide ? 'wide ' : '') + (c.text ? 'left ' + c.text : c.key.endsWith('change') ? value > 0 ? 'grew' : value < 0 ? 'shrank' : '' : '') },
    c.show ? c.show(r, s) : typeof value === 'number' ? amount(value, s.unit) : value);
  td.title = typeof value === 'number' ? exact(value, s.unit) : value;
  return td;
}

class FunctionTable {
  /** @param {HTMLElement} container @param {Store} store */
  constructor(container, store) {
    this.store = store;
    this.head = make('tr');
    this.body = make('tbody');
    this.more = make('button', { onclick: () => { this.all = true; if (this.s) this.show(this.s); } });
    this.all = false;
    /** @type {Selection | null} */
    this.s = null;
    container.append(make('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Functions' },
      make('table', { class: 'functions' }, make('caption', { class: 'sr' }, 'Functions'), make('thead', {}, this.head), this.body)),
    make('div', { class: 'more' }, this.more));
  }

  /** @param {Column} c */
  heading(c) {
    const { state } = this.store, key = state.sort || (this.s?.base ? 'change' : 'own'), on = key === c.key;
    const sort = () => this.store.set({ sort: c.key, ascending: on ? !state.ascending : Boolean(c.text) });
    return make('th', { class: (c.wide || (c.share !== undefined && this.s?.base) ? 'wide ' : '') + (c.text ? 'left' : ''), scope: 'col', 'aria-sort': !on ? 'none' : state.ascending ? 'ascending' : 'descending' },
      make('button', { onclick: sort }, c.title + (on ? state.ascending ? ' ↑' : ' ↓' : '')));
  }

  /** @param {Selection} s @param {Row} r @param {Column[]} shown */
  row(s, r, shown) {
    const f = s.tree.functions[r.fn], term = '=' + f.name, { store } = this;
    const tr = make('tr', { tabIndex: 0 }, ...shown.map(c => cell(c, r, s)));
    const search = () => store.set({ search: store.state.search === term ? '' : term });
    tr.addEventListener('click', search);
    tr.addEventListener('dblclick', () => store.set({ fn: f.name + '\t' + f.module, view: 'sandwich' }));
    tr.addEventListener('keydown', event => { if (event.key === 'Enter') search(); });
    return tr;
  }

  /** @param {Selection} s */
  show(s) {
    this.s = s;
    const shown = columns.filter(c => !c.compared || s.base), rows = sortedRows(s, this.store.state);
    this.head.replaceChildren(...shown.map(c => this.heading(c)));
    this.body.replaceChildren(...(this.all ? rows.slice(0, 5000) : rows.slice(0, FIRST)).map(r => this.row(s, r, shown)));
    const more = /** @type {HTMLElement} */ (this.more.parentElement);
    more.hidden = this.all || rows.length <= FIRST;
    this.more.textContent = 'Show all ' + rows.length + ' functions';
  }
}

/** @type {import('../model/types.js').View} */
export const tableView = {
  id: 'table', title: 'Functions', applies: () => true,
  render: (container, selection, store) => { kept(container, () => new FunctionTable(container, store)).show(selection); },
};
