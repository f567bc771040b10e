// SPDX-License-Identifier: Apache-2.0
// The bar above a view: search, shape, filters, downloads, and what is filtered now.

import { found } from '../model/search.js';
import { groupChoices } from '../model/select.js';
import { amount, exact, percent } from '../model/text.js';
import { announce, make } from './dom.js';
import { stepMatch } from './flame.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').State} State */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {{ id: string, title: string }} Choice */

/** @param {string[]} list @returns {Choice[]} */
const choices = list => [{ id: '', title: 'all' }, ...[...new Set(list)].sort().map(id => ({ id, title: id }))];

/** @param {HTMLSelectElement} select @param {Choice[]} list @param {string} value */
function fill(select, list, value) {
  if (value && !list.some(c => c.id === value)) list = [...list, { id: value, title: value }];
  select.replaceChildren(...list.map(c => make('option', { value: c.id }, c.title)));
  select.value = value;
  const label = select.closest('label');
  if (label) label.hidden = list.length < 2;
}

/**
 * What is filtered, as buttons that take it back.
 * @type {[keyof State, string][]}
 */
const chips = [['thread', 'thread'], ['process', 'process'], ['module', 'module'], ['label', 'label'], ['focus', 'only through'], ['hide', 'without'], ['collapse', 'recursion collapsed'], ['span', 'span']];

export class Bar {
  /** @param {HTMLElement} container @param {Store} store @param {Node[]} downloads */
  constructor(container, store, downloads) {
    this.store = store;
    /** @type {Selection | null} */
    this.s = null;
    this.typing = 0;
    this.search = make('input', { type: 'search', placeholder: 'Search functions  ( / )', title: 'A part of a name, =name for exactly that one, or module:name', 'aria-label': 'Search' });
    this.search.addEventListener('input', () => {
      clearTimeout(this.typing);
      this.typing = window.setTimeout(() => store.set({ search: this.search.value }, { replace: store.state.search !== '' }), 20);
    });
    this.search.addEventListener('keydown', event => { if (event.key === 'Enter') this.step(event.shiftKey ? -1 : 1); });
    this.regex = this.toggle('regex', '.*', 'The search is a regular expression');
    this.found = make('span', { class: 'found', role: 'status' });
    this.position = make('span', { class: 'found' });
    this.steps = make('span', {}, make('button', { title: 'Previous match (Shift+N)', 'aria-label': 'Previous match', onclick: () => this.step(-1) }, '‹'),
      make('button', { title: 'Next match (N)', 'aria-label': 'Next match', onclick: () => this.step(1) }, '›'));
    this.group = this.select('group');
    this.colour = this.select('colour');
    fill(this.colour, [{ id: 'module', title: 'module' }, { id: 'function', title: 'function' }, { id: 'share', title: 'own share' }], store.state.colour);
    this.invert = this.toggle('invert', 'Callers', 'The other way round: from where time goes to who calls it');
    this.upwards = this.toggle('upwards', 'Upwards', 'Root at the bottom');
    this.openFilters = make('button', { 'aria-expanded': 'false', onclick: () => this.showFilters(this.filters.hidden) }, 'Filter');
    this.thread = this.select('thread');
    this.process = this.select('process');
    this.module = this.select('module');
    this.label = this.select('label');
    this.focus = this.text('focus', 'regular expression');
    this.hide = this.text('hide', 'regular expression');
    this.collapse = this.toggle('collapse', 'Collapse recursion', 'A function that is on the stack already is not entered again');
    this.filters = this.makeFilters();
    this.chips = make('div', { class: 'chips' });
    this.total = make('div', { class: 'total' });
    container.append(make('div', { class: 'bar' }, this.search, this.regex, this.steps, this.found, this.position, make('div', { class: 'grow' }),
      make('label', {}, 'Group by ', this.group), make('label', {}, 'Colour by ', this.colour), this.invert, this.upwards, this.openFilters,
      ...downloads, make('button', { title: 'Without search, filters and zoom (Esc)', onclick: () => this.reset() }, 'Reset')), this.filters, this.chips, this.total);
  }

  /** @param {'regex' | 'invert' | 'upwards' | 'collapse'} key @param {string} text @param {string} title */
  toggle(key, text, title) {
    return make('button', { title, 'aria-pressed': 'false', onclick: () => this.store.set({ [key]: !this.store.state[key], ...(key === 'invert' ? { zoom: '' } : {}) }) }, text);
  }

  /** @param {'group' | 'colour' | 'thread' | 'process' | 'module' | 'label'} key */
  select(key) {
    const select = make('select');
    select.addEventListener('change', () => {
      /** @type {any} */
      const value = key === 'process' ? +select.value : select.value;
      this.store.set({ [key]: value, ...(key === 'colour' ? {} : { zoom: '' }) });
    });
    return select;
  }

  /** @param {'focus' | 'hide'} key @param {string} placeholder */
  text(key, placeholder) {
    const input = make('input', { type: 'search', placeholder });
    input.addEventListener('change', () => this.store.set({ [key]: input.value.trim(), zoom: '' }));
    return input;
  }

  makeFilters() {
    return make('div', { class: 'filters', hidden: true }, make('label', {}, 'Thread ', this.thread), make('label', {}, 'Process ', this.process),
      make('label', {}, 'Module ', this.module), make('label', {}, 'Label ', this.label), make('label', {}, 'Only stacks with ', this.focus),
      make('label', {}, 'Leave out functions ', this.hide), this.collapse);
  }

  /** @param {boolean} open */
  showFilters(open) {
    this.filters.hidden = !open;
    this.openFilters.setAttribute('aria-expanded', String(open));
    if (open && this.s) this.fillFilters(this.s);
  }

  /** @param {Selection} s */
  fillFilters(s) {
    const { state } = this.store, { sets, functions } = s.profile;
    fill(this.thread, choices(sets.map(set => set.thread || '(no name)')), state.thread);
    fill(this.process, choices(sets.filter(set => set.pid).map(set => String(set.pid))), state.process ? String(state.process) : '');
    fill(this.module, choices(functions.map(f => f.module).filter(Boolean)), state.module);
    fill(this.label, choices(sets.flatMap(set => Object.entries(set.labels).map(([k, v]) => k + '=' + v))).slice(0, 2000), state.label);
    if (document.activeElement !== this.focus) this.focus.value = state.focus;
    if (document.activeElement !== this.hide) this.hide.value = state.hide;
  }

  /** @param {number} step */
  step(step) {
    if (!this.s) return;
    this.position.textContent = stepMatch(this.s, this.store, step);
    announce('match ' + this.position.textContent);
  }

  /** The whole again: search, filters, span and zoom. */
  reset() {
    this.search.value = '';
    this.store.set({ search: '', zoom: '', thread: '', process: 0, module: '', label: '', focus: '', hide: '', collapse: false, span: null, base: null });
  }

  /** @param {State} state */
  makeChips(state) {
    const list = [];
    for (const [key, title] of chips) {
      const value = /** @type {any} */ (state)[key];
      if (!value) continue;
      const text = key === 'collapse' ? title : key === 'span' ? 'a span of ' + amount((value[1] - value[0]) * 1e6, 'nanoseconds') : title + ': ' + value;
      const none = key === 'collapse' ? false : key === 'span' ? null : key === 'process' ? 0 : '';
      list.push(make('button', { title: 'Take this filter away', onclick: () => this.store.set({ [key]: none, zoom: '' }) }, text + ' ×'));
    }
    return list;
  }

  /**
   * What has no meaning in a view is not offered there.
   * @param {Selection} s @param {string} view
   */
  showControls(s, view) {
    const label = (/** @type {HTMLElement} */ e) => /** @type {HTMLElement} */ (e.closest('label'));
    label(this.colour).hidden = view !== 'flame' || s.base !== null;
    label(this.group).hidden = this.group.options.length < 2 || !['flame', 'table', 'tree'].includes(view);
    this.upwards.hidden = view !== 'flame';
    this.invert.hidden = view !== 'flame' && view !== 'tree';
  }

  /**
   * The view is the one that is shown, which the state may not know.
   * @param {Selection} s @param {string} view
   */
  show(s, view) {
    const { state } = this.store, hits = found(s);
    this.s = s;
    if (document.activeElement !== this.search) this.search.value = state.search;
    for (const key of /** @type {const} */ (['regex', 'invert', 'upwards', 'collapse'])) this[key].setAttribute('aria-pressed', String(state[key]));
    this.steps.hidden = !hits;
    if (!hits || !state.zoom) this.position.textContent = '';
    this.found.textContent = s.matchError || (!hits ? '' : hits.functions ? percent(hits.value / (s.total || 1)) + '  ' + amount(hits.value, s.unit) : 'no match');
    fill(this.group, groupChoices(s.profile), state.group);
    this.colour.value = state.colour;
    this.showControls(s, view);
    if (!this.filters.hidden) this.fillFilters(s);
    this.chips.replaceChildren(...this.makeChips(state));
    const share = s.total === s.whole ? '' : ', ' + percent(s.total / (s.whole || 1)) + ' of all';
    this.total.replaceChildren(s.title + ' ', make('b', { title: exact(s.total, s.unit) }, amount(s.total, s.unit)), exact(s.total, s.unit) === amount(s.total, s.unit) ? '' : ' (' + exact(s.total, s.unit) + ')', share);
  }
}
