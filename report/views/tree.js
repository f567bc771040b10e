// SPDX-License-Identifier: Apache-2.0
// The tree of calls that opens: for reading, for copying, and for screen readers.

import { addKeys } from '../access/keys.js';
import { callees, callersOfAll } from '../model/graph.js';
import { amount, percent } from '../model/text.js';
import { changeCell, changeText } from './change.js';
import { announce, kept, later, make } from './dom.js';
import { copyButton, Outline } from './outline.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {{fn: number, value: number, base: number, own: number, ownBase: number}} Valued */

/**
 * What a row of a tree says of an item.
 * @param {HTMLElement} row @param {Valued} item @param {Selection} s @param {string} name
 */
export function fillRow(row, item, s, name) {
  const f = s.tree.functions[item.fn], share = item.value / (s.total || 1), bar = make('i', { class: 'share-bar' });
  bar.style.width = (100 * Math.min(1, share)).toFixed(2) + '%';
  row.classList.toggle('found', Boolean(s.matched && item.fn >= 0 && s.matched[item.fn]));
  row.append(make('span', { class: 'name', title: f ? [f.name, f.module, f.file].filter(Boolean).join('  ·  ') : '' }, name),
    make('span', { class: 'module' }, f ? f.module : ''),
    s.base ? changeCell(item.value, item.base, s.unit) : '',
    make('span', { class: 'own', title: 'by itself' }, item.own ? amount(item.own, s.unit) + ' own' : ''),
    make('span', { class: 'value', title: 'with what it calls' }, amount(item.value, s.unit)),
    make('span', { class: 'percent' }, bar, make('span', {}, percent(share))));
}

/** @param {Valued} item @param {Selection} s @param {string} name */
export const lineText = (item, s, name) => [percent(item.value / (s.total || 1)).replace('\u202f', ' '), amount(item.value, s.unit).replace(/\u202f/g, ' '),
  s.base ? '(' + changeText(item.value, item.base).replace(/\u202f/g, ' ') + ')' : '', name].filter(Boolean).join('  ');

/**
 * How the state names a function.
 * @param {Selection} s @param {number} fn
 */
export const fnId = (s, fn) => s.tree.functions[fn].name + (s.tree.functions[fn].module ? '\t' + s.tree.functions[fn].module : '');

class TreeView {
  /** @param {HTMLElement} container */
  constructor(container) {
    /** @type {Selection} */
    this.s = later;
    /** @type {Store} */
    this.store = later;
    /** @type {import('../model/graph.js').GraphNode} */
    this.root = later;
    /** @type {Outline<import('../model/graph.js').GraphNode>} */
    this.outline = new Outline({
      label: 'Calls, the weightiest first', open: 3,
      roots: () => this.roots(), kids: node => node.kids(),
      fill: (row, node) => fillRow(row, node, this.s, this.nameOf(node)),
      text: node => lineText(node, this.s, this.nameOf(node)),
      enter: node => { if (this.isFunction(node)) this.store.set({ view: 'sandwich', fn: fnId(this.s, node.fn) }); },
    });
    const copy = copyButton(() => this.outline.toText(), done => announce(done ? 'copied' : 'the browser does not allow copying'));
    container.append(make('div', { class: 'bar' }, copy,
      make('span', { class: 'hint' }, 'Arrow keys open and close, Enter shows callers and callees of a function.')), this.outline.element);
  }

  /** @param {Selection} selection @param {Store} store */
  update(selection, store) {
    this.s = selection;
    this.store = store;
    this.root = store.state.invert ? callersOfAll(selection) : callees(selection);
    this.outline.refresh();
  }

  /** The whole is a row, too, so that totals can be copied. */
  roots() {
    return [this.root];
  }

  /** @param {any} node */
  nameOf(node) {
    return node.fn < 0 ? this.s.title : this.s.tree.functions[node.fn].name;
  }

  /** @param {any} node */
  isFunction(node) {
    return node.fn >= 0 && node.fn < this.s.tree.functions.length - this.s.tree.groups;
  }
}

addKeys([
  { keys: ['ArrowUp', 'ArrowDown'], where: 'In a tree', text: 'The row above or below' },
  { keys: ['ArrowRight', 'ArrowLeft'], where: 'In a tree', text: 'Open, close' },
  { keys: ['*'], where: 'In a tree', text: 'Open all rows of this caller' },
  { keys: ['Enter'], where: 'In a tree', text: 'Callers and callees of the function' },
]);

/** @type {import('../model/types.js').View} */
export const tree = {
  id: 'tree', title: 'Tree', applies: () => true,
  render: (container, selection, store) => kept(container, () => new TreeView(container)).update(selection, store),
};
