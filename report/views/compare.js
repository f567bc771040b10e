// SPDX-License-Identifier: Apache-2.0
// What is compared with what, and what changed: by function and by stack. What is within the sampling error is greyed.

import { Comparison, sortChanges } from '../model/compare.js';
import { labelText, normOf } from '../model/select.js';
import { amount, isState, percent } from '../model/text.js';
import { changeText, signed } from './change.js';
import { kept, later, make } from './dom.js';
import { droppedOf, openButton } from './drop.js';
import { fnId } from './tree.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/types.js').BaseSpec} BaseSpec */
/** @typedef {import('../model/types.js').State} State */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {{ name: string, title: string, fn: number, value: number, base: number, change: import('../model/compare.js').Change }} Row */

const MOST_CHOICES = 60, SHOWN = 60;

/** @typedef {{title: string, thread: string, label: string}} Part  of a profile, by what filters know */

/**
 * The threads and labels of a profile, if it has more than one.
 * @param {Profile} profile @returns {Part[]}
 */
export function parts(profile) {
  const threads = new Set(profile.sets.map(set => set.thread || '(no name)'));
  /** @type {Map<string, Set<string>>} */
  const labels = new Map();
  for (const key of new Set(profile.sets.flatMap(set => Object.keys(set.labels)))) labels.set(key, new Set(profile.sets.map(set => labelText(set, key))));
  const list = threads.size > 1 ? [...threads].sort().slice(0, MOST_CHOICES).map(thread => ({ title: 'thread ' + thread, thread, label: '' })) : [];
  for (const values of labels.values()) if (values.size > 1) for (const label of [...values].sort().slice(0, MOST_CHOICES)) list.push({ title: label, thread: '', label });
  return list;
}

/**
 * What this profile can be compared with.
 * @param {Profile} profile @param {State} state @returns {{title: string, base: BaseSpec | null}[]}
 */
export function choices(profile, state) {
  /** @type {{title: string, base: BaseSpec | null}[]} */
  const list = [{ title: 'nothing', base: null }];
  if (profile.other) list.push({ title: profile.other.name || 'the other report', base: { side: 1 } });
  if (state.base?.span) list.push({ title: 'the span on the time line', base: state.base });
  for (const { title, thread, label } of parts(profile)) list.push({ title, base: thread ? { thread } : { label } });
  return list;
}

const norms = /** @type {const} */ ([['none', 'amounts as they are'], ['time', 'amounts of the same time'], ['total', 'shares of the total']]);

class CompareView {
  /** @param {HTMLElement} container */
  constructor(container) {
    /** @type {Selection} */
    this.s = later;
    /** @type {Store} */
    this.store = later;
    /** @type {Comparison | null} */
    this.comparison = later;
    /** @type {ReturnType<typeof choices>} */
    this.choices = later;
    /** @type {Part[]} */
    this.parts = [];
    this.by = 'own';
    this.all = false;
    this.only = false;
    this.now = make('select');
    this.base = make('select');
    this.norm = make('select', {}, ...norms.map(([value, text]) => make('option', { value }, text)));
    this.what = make('select', {}, ...[['own', 'functions, own'], ['total', 'functions, with callees'], ['stack', 'stacks']].map(([value, text]) => make('option', { value }, text)));
    this.hide = make('input', { type: 'checkbox' });
    this.swap = make('button', { type: 'button', title: 'The other side is the base' }, 'Swap');
    this.remove = make('button', { type: 'button' }, 'Close the other report');
    this.summary = make('p', { class: 'summary', role: 'status' });
    this.table = make('table', { class: 'functions changes' });
    this.more = make('button', { type: 'button' });
    this.bar = make('div', { class: 'bar' }, make('label', {}, 'Compare ', this.now), make('label', {}, 'with ', this.base), make('label', {}, 'as ', this.norm), make('label', {}, 'by ', this.what),
      make('label', {}, this.hide, 'only beyond the sampling error'), this.swap, this.remove);
    container.append(this.bar, this.summary, make('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Changes' }, this.table), make('div', { class: 'more' }, this.more));
    this.norm.onchange = () => this.store.set({ norm: /** @type {State['norm']} */ (this.norm.value) });
    this.now.onchange = () => {
      const part = this.parts[+this.now.value - 1];
      this.store.set({ thread: part ? part.thread : '', label: part ? part.label : '' });
    };
    this.base.onchange = () => this.store.set({ base: this.choices[+this.base.value].base });
    this.what.onchange = () => { this.by = this.what.value; this.show(); };
    this.hide.onchange = () => { this.only = this.hide.checked; this.show(); };
    this.swap.onclick = () => droppedOf(this.store).swap();
    this.remove.onclick = () => droppedOf(this.store).remove();
    this.more.onclick = () => { this.all = true; this.show(); };
  }

  /** @param {Selection} s @param {Store} store */
  update(s, store) {
    if (!this.store) this.bar.append(openButton(store));
    this.s = s;
    this.store = store;
    this.all = false;
    this.choices = choices(s.profile, store.state);
    const now = JSON.stringify(store.state.base);
    this.base.replaceChildren(...this.choices.map((choice, n) => make('option', { value: String(n), selected: JSON.stringify(choice.base) === now }, choice.title)));
    this.parts = parts(s.profile);
    this.now.replaceChildren(...[{ title: 'everything', thread: '', label: '' }, ...this.parts].map((part, n) => make('option', {
      value: String(n), selected: part.thread === store.state.thread && part.label === store.state.label }, part.title)));
    /* What is in use is compared as it is. */
    this.norm.disabled = isState(s.profile, s.type);
    this.norm.value = this.norm.disabled ? 'none' : normOf(store.state);
    const { sides } = droppedOf(store);
    this.swap.hidden = this.remove.hidden = !sides;
    this.comparison = s.base ? new Comparison(s, store.state) : null;
    this.show();
  }

  show() {
    const { s, comparison } = this;
    this.table.hidden = !comparison;
    if (!comparison) {
      this.more.hidden = true;
      this.summary.textContent = 'Choose above what ' + s.title + ' is compared with: a thread or a label' +
        (s.profile.intervals.length > 1 ? ', or on the time line its halves or another span. ' : '. ') +
        'Or drop a second report or a pprof file onto this page.';
      return;
    }
    const rows = this.rows(comparison), list = this.only ? rows.filter(row => row.change.significant) : rows;
    this.showSummary(comparison, rows);
    this.showTable(this.all ? list : list.slice(0, SHOWN));
    this.more.hidden = this.all || list.length <= SHOWN;
    this.more.textContent = 'Show all ' + list.length;
  }

  /** @param {Comparison} comparison @returns {Row[]} */
  rows(comparison) {
    const { tree, matched } = this.s;
    if (this.by === 'stack') return comparison.stacks().filter(row => !matched || this.pathOf(row.leaf).some(fn => matched[fn])).map(row => {
      const path = this.pathOf(row.leaf).map(fn => tree.functions[fn].name);
      return { name: path.slice(-3).join(' › '), title: path.join('\n'), fn: tree.fn[row.leaf], value: row.value, base: row.base, change: row.change };
    });
    const own = this.by === 'own', rows = comparison.functions().filter(row => !matched || matched[row.fn]).map(row => ({
      name: tree.functions[row.fn].name, title: tree.functions[row.fn].module, fn: row.fn,
      value: own ? row.own : row.total, base: own ? row.ownBase : row.totalBase, change: own ? row.ofOwn : row.ofTotal,
    }));
    return sortChanges(rows.filter(row => row.value || row.base), row => row.change);
  }

  /**
   * Functions from the root to a node.
   * @param {number} node
   */
  pathOf(node) {
    const path = [];
    for (let at = node; at > 0; at = this.s.tree.parent[at]) path.unshift(this.s.tree.fn[at]);
    return path;
  }

  /** @param {Comparison} comparison @param {Row[]} rows */
  showSummary(comparison, rows) {
    const { s } = this, scale = comparison.scale, before = s.baseTotal / scale, whole = comparison.whole(), count = rows.filter(row => row.change.significant).length;
    const totals = s.title + ' ' + amount(s.total, s.unit) + ', in ' + s.baseName + ' ' + amount(before, s.unit);
    const scaled = Math.abs(scale - 1) < 1e-9 ? '' : ' (scaled by ' + scale.toPrecision(4) + ' for the comparison)';
    const beyond = normOf(this.store.state) === 'total' && !isState(s.profile, s.type) ? '' : ': ' + changeText(s.total, s.baseTotal) + (whole.significant ? '' : ', within the sampling error');
    const { span, base } = this.store.state, hours = span && base?.span && isState(s.profile, s.type) ? (span[1] - base.span[1]) / 3600000 : 0;
    const growth = hours ? ' That is ' + signed((s.total - s.baseTotal) / hours, s.unit) + ' an hour.' : '';
    this.summary.textContent = totals + scaled + beyond + '. ' + (count || 'None') + ' of ' + rows.length + (this.by === 'stack' ? ' stacks' : ' functions') +
      (count === 1 ? ' has' : ' have') + ' changed by more than the sampling error.' + growth;
  }

  /** @param {Row[]} rows */
  showTable(rows) {
    const { s } = this, total = s.total || s.baseTotal || 1, head = ['Change', '', 'Sampling error', 'Before', 'Now', 'Share', this.by === 'stack' ? 'Stack' : 'Function'];
    const largest = rows.reduce((most, row) => Math.max(most, Math.abs(row.change.delta)), 0) || 1;
    this.table.replaceChildren(make('thead', {}, make('tr', {}, ...head.map((text, n) => n === 1 ? make('td', {}) : make('th', { class: n === 6 ? 'left' : '', scope: 'col' }, text)))),
      make('tbody', {}, ...rows.map(row => this.makeRow(row, total, largest))));
  }

  /** @param {Row} row @param {number} total @param {number} largest */
  makeRow(row, total, largest) {
    const { s } = this, { delta, error, significant } = row.change, grew = delta > 0, bar = make('i', { class: grew ? 'grew-bar' : 'shrank-bar' });
    bar.style.width = (50 * Math.abs(delta) / largest).toFixed(2) + '%';
    const name = make('button', { type: 'button', class: 'link', title: row.title }, row.name);
    name.onclick = () => this.store.set({ view: 'sandwich', fn: fnId(s, row.fn) });
    return make('tr', { class: significant ? grew ? 'grew' : 'shrank' : 'noise', title: significant ? '' : 'within the sampling error' },
      make('td', {}, signed(delta, s.unit) + ' ' + changeText(row.value, row.base)), make('td', { class: 'both-ways', 'aria-hidden': 'true' }, bar),
      make('td', {}, '±\u202f' + amount(error, s.unit) + (significant ? '' : ', within')), make('td', {}, row.base ? amount(row.base, s.unit) : '0'), make('td', {}, row.value ? amount(row.value, s.unit) : '0'),
      make('td', {}, percent(row.value / total)), make('td', { class: 'left fn' }, name));
  }
}

/** @type {import('../model/types.js').View} */
export const compare = {
  id: 'compare', title: 'Compare', applies: () => true,
  render: (container, selection, store) => kept(container, () => new CompareView(container)).update(selection, store),
};
