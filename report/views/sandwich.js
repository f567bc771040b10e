// SPDX-License-Identifier: Apache-2.0
// One function between those that call it and those that it calls.

import { functionRows } from '../model/functions.js';
import { Sandwich } from '../model/sandwich.js';
import { amount, percent, sourceOf } from '../model/text.js';
import { changeCell } from './change.js';
import { announce, kept, later, make } from './dom.js';
import { copyButton, Outline } from './outline.js';
import { fillRow, fnId, lineText } from './tree.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */

const SUGGESTED = 200;

/**
 * The function that the state names, in the selection's tree; -1: none.
 * @param {Selection} s @param {string} id
 */
export function findFunction(s, id) {
  if (!id) return -1;
  const [name, module] = id.split('\t'), list = s.tree.functions;
  const exact = list.findIndex(f => f.name === name && (module === undefined || f.module === module));
  return exact >= 0 ? exact : list.findIndex(f => f.name === name);
}

class SandwichView {
  /** @param {HTMLElement} container */
  constructor(container) {
    /** @type {Selection} */
    this.s = later;
    /** @type {Store} */
    this.store = later;
    /** @type {Sandwich} */
    this.sandwich = later;
    const names = make('datalist', { id: 'sandwich-names' });
    this.input = make('input', { type: 'search', 'aria-label': 'Function', placeholder: 'Name of a function', autocomplete: 'off' });
    this.input.setAttribute('list', names.id);
    this.input.onchange = () => { if (this.input.value) this.choose(this.input.value); };
    this.names = names;
    this.head = make('div', { class: 'sandwich-head' });
    this.above = this.half('Callers', item => this.sandwich.callers(item), () => this.sandwich.callers());
    this.below = this.half('Callees', item => this.sandwich.callees(item), () => this.sandwich.callees());
    this.empty = make('div', { class: 'empty', hidden: true }, 'Nothing of this function is in what is shown.');
    const copy = copyButton(() => this.toText(), done => announce(done ? 'copied' : 'the browser does not allow copying'));
    this.parts = make('div', {}, make('h2', { class: 'half' }, 'Called by'), this.above.element, this.head,
      make('h2', { class: 'half' }, 'Calls'), this.below.element);
    container.append(make('div', { class: 'bar' }, make('label', {}, 'Function ', this.input), names, copy,
      make('span', { class: 'hint' }, 'Enter or a double click on a row goes on to that function.')), this.empty, this.parts);
  }

  /** @param {string} label @param {(item: any) => any[]} kids @param {() => any[]} roots */
  half(label, kids, roots) {
    return new Outline({
      label, kids, roots,
      fill: (row, item) => fillRow(row, item, this.s, this.nameOf(item)),
      text: item => lineText(item, this.s, this.nameOf(item)),
      enter: item => this.choose(fnId(this.s, item.fn)),
    });
  }

  /** @param {any} item */
  nameOf(item) {
    return (this.s.tree.functions[item.fn]?.name ?? '') + (item.recursive ? '  (again)' : '');
  }

  /** @param {string} id */
  choose(id) {
    if (findFunction(this.s, id) < 0) announce('there is no function ' + id);
    else this.store.set({ fn: id });
  }

  /** @param {Selection} s @param {Store} store */
  update(s, store) {
    const rows = [...functionRows(s)].sort((a, b) => b.own - a.own || b.total - a.total);
    this.s = s;
    this.store = store;
    this.names.replaceChildren(...rows.slice(0, SUGGESTED).map(row => make('option', { value: s.tree.functions[row.fn].name })));
    const named = findFunction(s, store.state.fn), fn = named >= 0 ? named : rows.length && !store.state.fn ? rows[0].fn : -1;
    this.parts.hidden = fn < 0;
    this.empty.hidden = fn >= 0;
    if (document.activeElement !== this.input) this.input.value = fn >= 0 ? s.tree.functions[fn].name : store.state.fn.split('\t')[0];
    if (fn < 0) return;
    this.sandwich = new Sandwich(s, fn);
    this.showHead(fn);
    this.above.refresh();
    this.below.refresh();
  }

  /** @param {number} fn */
  showHead(fn) {
    const { s } = this, f = s.tree.functions[fn], { self } = this.sandwich;
    const fact = (/** @type {string} */ name, /** @type {number} */ value, /** @type {number} */ base) => make('span', {}, name + ' ',
      make('b', {}, amount(value, s.unit)), ' ' + percent(value / (s.total || 1)) + ' ', s.base ? changeCell(value, base, s.unit) : null);
    this.head.replaceChildren(make('h3', { class: 'name' }, f.name), make('span', { class: 'where' }, [f.module, sourceOf(f)].filter(Boolean).join('  ·  ')),
      fact('own', self.own, self.ownBase), fact('with callees', self.value, self.base));
  }

  toText() {
    const self = this.sandwich.self;
    return this.above.toText() + '--> ' + lineText(self, this.s, this.s.tree.functions[self.fn].name) + ', own ' + amount(self.own, this.s.unit) + '\n' + this.below.toText();
  }
}

/** @type {import('../model/types.js').View} */
export const sandwich = {
  id: 'sandwich', title: 'Sandwich', applies: () => true,
  render: (container, selection, store) => kept(container, () => new SandwichView(container)).update(selection, store),
};
