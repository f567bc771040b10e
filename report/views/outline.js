// SPDX-License-Identifier: Apache-2.0
// A tree that opens, as trees do for screen readers: role tree, arrow keys, one row in the tab order. The tree view and both
// halves of the sandwich are such trees.

import { make } from './dom.js';

/**
 * @template T
 * @typedef {{
 *   label: string, roots: () => T[], kids: (item: T) => T[], fill: (row: HTMLElement, item: T) => void,
 *   text: (item: T) => string, enter?: (item: T) => void, open?: number
 * }} OutlineSource
 *   fill: puts what is shown of an item into its row. text: a line of what is copied. enter: what the Enter key and a double click do.
 *   open: so many ways down are open from the start, as long as there is one item that has nearly all.
 */

/** Rows below one item that are shown without asking. */
const MOST = 50;

/** @template T */
export class Outline {
  /** @param {OutlineSource<T>} source */
  constructor(source) {
    this.source = source;
    this.element = make('ul', { class: 'outline', role: 'tree', 'aria-label': source.label });
    /** @type {WeakMap<HTMLElement, {item: T, kids: T[] | null, level: number, key: string}>} */
    this.about = new WeakMap();
    /** @type {Set<string>} What is open, so that it stays so when values change. */
    this.opened = new Set();
    this.element.addEventListener('keydown', event => this.onKey(event));
    this.element.addEventListener('click', event => this.onClick(event));
    this.element.addEventListener('dblclick', event => {
      const row = this.rowOf(event.target);
      if (row && source.enter) source.enter(/** @type {any} */ (this.about.get(row)).item);
    });
  }

  /** Shows what the source has now. */
  refresh() {
    const focused = this.rowOf(document.activeElement), key = focused && this.about.get(focused)?.key;
    this.fillList(this.element, this.source.roots(), 1, '');
    const rows = this.rows(), again = key === undefined ? undefined : rows.find(row => this.about.get(row)?.key === key);
    if (rows.length) (again || rows[0]).tabIndex = 0;
    if (again) again.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} list @param {T[]} items @param {number} level @param {string} path @param {number} [from] */
  fillList(list, items, level, path, from = 0) {
    const rows = items.slice(from, from + MOST).map((item, n) => this.makeRow(item, level, path + '/' + this.keyOf(item, from + n), items.length, from + n));
    if (from) list.append(...rows); else list.replaceChildren(...rows);
    const rest = items.length - from - MOST;
    if (rest <= 0) return;
    const more = make('li', { role: 'treeitem', class: 'more-rows', tabIndex: -1, 'aria-level': level, 'aria-setsize': items.length, 'aria-posinset': from + MOST + 1 }, rest + ' more');
    more.onclick = event => {
      event.stopPropagation();
      more.remove();
      this.fillList(list, items, level, path, from + MOST);
      const next = /** @type {HTMLElement} */ (list.children[from + MOST]);
      if (next) this.focus(next);
    };
    list.append(more);
  }

  /** @param {T} item @param {number} n */
  keyOf(item, n) {
    const { fn } = /** @type {any} */ (item);
    return fn === undefined ? n : fn;
  }

  /** @param {T} item @param {number} level @param {string} key @param {number} size @param {number} n */
  makeRow(item, level, key, size, n) {
    const line = make('div', { class: 'line' }), row = make('li', { role: 'treeitem', tabIndex: -1, 'aria-level': level, 'aria-setsize': size, 'aria-posinset': n + 1 }, line);
    line.style.paddingLeft = 8 + Math.min(level - 1, 60) * 14 + 'px';
    line.append(make('span', { class: 'twist', 'aria-hidden': 'true' }));
    this.source.fill(line, item);
    const kids = this.source.kids(item);
    this.about.set(row, { item, kids, level, key });
    if (!kids.length) return row;
    row.setAttribute('aria-expanded', 'false');
    if (this.opened.has(key) || (this.opensAtFirst(level, size, n) && !this.opened.has('!' + key))) this.expand(row);
    return row;
  }

  /**
   * The way to where the tree forks is open, and the first rows after it.
   * @param {number} level @param {number} size @param {number} n
   */
  opensAtFirst(level, size, n) {
    const most = this.source.open || 0;
    return most > 0 && (size === 1 ? level < 60 : level <= most && n === 0);
  }

  /** @param {HTMLElement} row */
  expand(row) {
    const about = this.about.get(row);
    if (!about?.kids?.length || row.getAttribute('aria-expanded') === 'true') return;
    const list = make('ul', { role: 'group' });
    row.setAttribute('aria-expanded', 'true');
    row.append(list);
    this.opened.add(about.key);
    this.opened.delete('!' + about.key);
    this.fillList(list, about.kids, about.level + 1, about.key);
  }

  /** @param {HTMLElement} row */
  collapse(row) {
    const about = this.about.get(row);
    if (!about || row.getAttribute('aria-expanded') !== 'true') return;
    row.setAttribute('aria-expanded', 'false');
    this.opened.delete(about.key);
    this.opened.add('!' + about.key);
    row.querySelector(':scope > ul')?.remove();
  }

  /**
   * Opens all ways on which one item has nearly all there is: to where it forks.
   * @param {HTMLElement} row
   */
  expandWay(row) {
    for (let at = /** @type {HTMLElement | null} */ (row), steps = 0; at && steps < 200; steps++) {
      this.expand(at);
      const list = at.querySelector(':scope > ul');
      at = list && list.children.length === 1 ? /** @type {HTMLElement} */ (list.children[0]) : null;
    }
  }

  /** @returns {HTMLElement[]} all rows that can be seen, from top to bottom */
  rows() {
    return [...this.element.querySelectorAll('[role=treeitem]')].map(e => /** @type {HTMLElement} */ (e));
  }

  /** @param {EventTarget | null} target @returns {HTMLElement | null} */
  rowOf(target) {
    const row = target instanceof Element ? target.closest('[role=treeitem]') : null;
    return row && this.element.contains(row) ? /** @type {HTMLElement} */ (row) : null;
  }

  /** @param {HTMLElement} row */
  focus(row) {
    for (const other of this.element.querySelectorAll('[tabindex="0"]')) /** @type {HTMLElement} */ (other).tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const row = this.rowOf(event.target);
    if (!row) return;
    if (row.getAttribute('aria-expanded') === 'true') this.collapse(row);
    else this.expandWay(row);
    this.focus(row);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const row = this.rowOf(event.target);
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const open = row.getAttribute('aria-expanded'), up = row.parentElement?.closest('[role=treeitem]');
    const step = (/** @type {number} */ by) => { const rows = this.rows(), to = rows[rows.indexOf(row) + by]; if (to) this.focus(to); };
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowDown: () => step(1), ArrowUp: () => step(-1),
      ArrowRight: () => open === 'false' ? this.expand(row) : open === 'true' && step(1),
      ArrowLeft: () => open === 'true' ? this.collapse(row) : up && this.focus(/** @type {HTMLElement} */ (up)),
      Home: () => this.focus(this.rows()[0]), End: () => this.focus(/** @type {HTMLElement} */ (this.rows().pop())),
      ' ': () => open === 'true' ? this.collapse(row) : this.expand(row),
      '*': () => { for (const sibling of [...row.parentElement?.children || []]) this.expand(/** @type {HTMLElement} */ (sibling)); },
      Enter: () => row.classList.contains('more-rows') ? row.click() : this.source.enter && this.source.enter(/** @type {any} */ (this.about.get(row)).item),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  /** What is open, as text: to be pasted into a report of a bug. */
  toText() {
    return this.rows().filter(row => this.about.has(row)).map(row => {
      const about = /** @type {any} */ (this.about.get(row));
      return '  '.repeat(about.level - 1) + this.source.text(about.item);
    }).join('\n') + '\n';
  }
}

/**
 * A button that copies what text() gives.
 * @param {() => string} text @param {(done: boolean) => void} said
 */
export function copyButton(text, said) {
  const button = make('button', { type: 'button', title: 'Copy what is open, as text' }, 'Copy as text');
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(text());
      said(true);
    } catch (error) { /* a file in a browser that gives no clipboard to files: the old way */
      const area = make('textarea', { value: text(), class: 'sr', 'aria-hidden': 'true' });
      document.body.append(area);
      area.select();
      said(document.execCommand('copy'));
      area.remove();
      button.focus();
    }
  };
  return button;
}
