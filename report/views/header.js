// SPDX-License-Identifier: Apache-2.0
// The top of the page: program, time, one button per type of each profile, theme, keys.

import { amount, titleOf } from '../model/text.js';
import { typeOf } from '../model/select.js';
import { threadDump } from '../model/threads.js';
import { get, isDark, make } from './dom.js';

/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/types.js').Store} Store */

/**
 * The profiles of the first side of a program.
 * @param {Store} store @returns {Profile[]}
 */
export function profilesOf(store) {
  const { profiles } = store.model, program = store.state.program;
  const own = profiles.filter(p => p.program === program && p.side === 0);
  return own.length ? own : profiles.filter(p => p.program === (profiles.find(q => q.side === 0) || profiles[0])?.program && p.side === (profiles.some(q => q.side === 0) ? 0 : p.side));
}

/** @type {WeakMap<Float64Array, number>} */
const totals = new WeakMap();

/** @param {Profile} p @param {number} v */
function totalOf(p, v) {
  const values = p.samples.values[v];
  let total = totals.get(values);
  if (total === undefined) totals.set(values, total = values.reduce((a, b) => a + b, 0));
  return total;
}

/**
 * What is shown: the state's choice, or the first that has something.
 * @param {Store} store @returns {Profile | undefined}
 */
export function chosenProfile(store) {
  const list = profilesOf(store);
  return list.find(p => p.kind === store.state.kind) || list.find(p => totalOf(p, p.defaultType) > 0) || list[0];
}

/**
 * Types of a profile, the default first and counts last.
 * @param {Profile} p
 */
const typeOrder = p => p.types.map((_, v) => v).sort((a, b) => Number(b === p.defaultType) - Number(a === p.defaultType) ||
  Number(p.types[a].unit === 'count') - Number(p.types[b].unit === 'count') || a - b);

/**
 * Threads are looked at as a dump at first, and nothing else is.
 * @param {Profile} p @param {string} view
 */
const viewFor = (p, view) => p.kind === 'threads' ? 'threads' : view === 'threads' ? 'flame' : view;

/**
 * How many deadlocks a dump of threads has.
 * @type {WeakMap<Profile, number>}
 */
const deadlocks = new WeakMap();

/** @param {Profile} p @returns {Node | null} */
function alarm(p) {
  if (p.kind !== 'threads') return null;
  const n = deadlocks.get(p) ?? threadDump(p, p.samples.values[0]).circles.length;
  deadlocks.set(p, n);
  return n ? make('span', { class: 'alarm' }, n === 1 ? 'a deadlock' : n + ' deadlocks') : null;
}

/** @param {Store} store @param {Profile} chosen */
export function showTabs(store, chosen) {
  const now = typeOf(chosen, store.state);
  get('tabs').replaceChildren(...profilesOf(store).flatMap(p => typeOrder(p).map(v =>
    make('button', { 'aria-pressed': String(p === chosen && v === now), 'data-kind': p.kind, 'data-type': p.types[v].type,
                     onclick: () => store.set({ kind: p.kind, type: v === p.defaultType ? -1 : v, zoom: '', view: viewFor(p, store.state.view) }) },
      make('small', {}, titleOf(p, v)), make('b', {}, amount(totalOf(p, v), p.types[v].unit)), alarm(p)))));
}

/** @param {Store} store @param {Profile} chosen */
export function showHeader(store, chosen) {
  const select = /** @type {HTMLSelectElement} */ (get('program')), names = [...new Set(store.model.profiles.filter(p => p.side === 0).map(p => p.program))];
  select.hidden = !names.length;
  select.replaceChildren(...names.map(name => make('option', { value: name }, name)));
  select.value = chosen.program;
  const when = [];
  if (chosen.start) when.push(make('span', {}, new Date(chosen.start).toLocaleString()));
  if (chosen.end > chosen.start) when.push(make('span', {}, 'for ', make('b', {}, amount((chosen.end - chosen.start) * 1e6, 'nanoseconds'))));
  if (chosen.service !== chosen.program) when.push(make('span', {}, 'service ', make('b', {}, chosen.service)));
  get('when').replaceChildren(...when);
  document.title = (names.join(', ').slice(0, 60) || 'cprof') + ' · cprof';
}

/** @param {() => void} redraw */
export function prepareTheme(redraw) {
  const root = document.documentElement;
  root.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  get('theme').onclick = () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    redraw();
  };
}
