// SPDX-License-Identifier: Apache-2.0
// What the numbers can be trusted for: losses, cuts, rates, settings, cost, and modules without symbols.

import { installCommand, sortComments } from '../model/facts.js';
import { amount, count } from '../model/text.js';
import { announce, kept, make } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/facts.js').Facts} Facts */

/** @param {string} title @param {string[]} lines @param {string} [name] */
const list = (title, lines, name = '') => lines.length ? make('section', { class: name }, make('h2', {}, title), make('ul', {}, ...lines.map(line => make('li', {}, line)))) : null;

/** @param {Selection} s @param {Store} store */
function profileLines(s, store) {
  const { profile: p } = s, left = store.model.data.leftOut, lines = [];
  const threads = new Set(p.sets.map(set => set.thread).filter(Boolean)).size, pids = new Set(p.sets.map(set => set.pid).filter(Boolean)).size;
  lines.push(count(p.samples.node.length) + ' stacks, ' + count(p.functions.length) + ' functions' +
    (threads ? ', ' + count(threads) + (threads === 1 ? ' name of a thread' : ' names of threads') : '') + (pids ? ', ' + count(pids) + (pids === 1 ? ' process' : ' processes') : ''));
  if (p.period.value && p.period.type !== p.types[0].type) lines.push('one sample per ' + (p.period.unit === 'count' && p.period.value === 1 ? 'event' : amount(p.period.value, p.period.unit)) + ' of ' + p.period.type.replace(/_/g, ' '));
  if (p.intervals.length) lines.push(count(p.intervals.length) + ' intervals');
  if (left.intervals) lines.push(count(left.intervals) + ' intervals, ' + amount(left.bytes, 'bytes') + ', are left out of this file');
  return lines;
}

/** @param {Facts} facts */
function symbolsBox({ symbols, moreUnnamed }) {
  if (!symbols.length) return null;
  const command = installCommand(symbols), copy = make('button', { type: 'button' }, 'Copy');
  copy.onclick = () => navigator.clipboard?.writeText(command).then(() => announce('copied'), () => announce('the browser does not allow copying'));
  return make('section', {}, make('h2', {}, 'Modules without symbols'),
    make('table', { class: 'functions' }, make('thead', {}, make('tr', {}, ...['Module', 'Share of its functions', 'Package with its symbols'].map(text => make('th', { class: 'left', scope: 'col' }, text)))),
      make('tbody', {}, ...symbols.map(one => make('tr', {}, make('td', { class: 'left' }, one.module), make('td', { class: 'left' }, one.share + ' of ' + one.of), make('td', { class: 'left' }, one.package || 'none is known'))))),
    moreUnnamed ? make('p', { class: 'hint' }, 'and ' + moreUnnamed) : null,
    command ? make('p', { class: 'command' }, make('code', {}, command), ' ', copy) : null);
}

/**
 * Where the process's memory is.
 * @param {Facts} facts
 */
function memoryBox({ memory }) {
  if (!memory || !memory.resident) return null;
  return make('section', {}, make('h2', {}, 'Resident memory: ' + memory.resident + ' MiB'), make('table', { class: 'functions' }, make('tbody', {},
    ...Object.entries(memory).filter(([name]) => name !== 'resident').map(([name, mib]) => {
      const bar = make('i');
      bar.style.width = 'calc((100% - 24px) * ' + Math.min(1, mib / memory.resident).toFixed(4) + ')';
      return make('tr', {}, make('th', { class: 'left', scope: 'row' }, name), make('td', { class: 'share' }, bar, make('span', {}, mib + ' MiB')));
    }))));
}

/** @param {HTMLElement} container @param {Selection} s @param {Store} store */
function render(container, s, store) {
  const place = kept(container, () => {
    const summary = make('summary', {}), body = make('div', { class: 'facts-body' }), details = make('details', {}, summary, body);
    container.append(make('section', { class: 'card', 'aria-label': 'What this was made with' }, details));
    return { summary, body, details, profile: /** @type {unknown} */ (null) };
  });
  if (place.profile === s.profile) return;
  place.profile = s.profile;
  const facts = sortComments(s.profile.comments), lost = facts.losses.length + facts.cuts.length;
  place.summary.replaceChildren('What this was made with, and what is missing', ...(lost || facts.symbols.length ? [': ', make('span', { class: 'warn' },
    [facts.losses.length ? 'samples were lost' : '', facts.cuts.length ? 'something was cut' : '', facts.symbols.length ? 'symbols are missing' : ''].filter(Boolean).join(', '))] : []));
  place.body.replaceChildren(.../** @type {HTMLElement[]} */ ([
    list('Lost', facts.losses, 'warn'), list('Cut or not seen', facts.cuts), symbolsBox(facts), memoryBox(facts), list('Cost of profiling', facts.cost),
    list('Rates', facts.rates), list('Changed while it ran', facts.settings), list('This profile', profileLines(s, store)), list('Counted', facts.counts),
    list('Made by', facts.made.concat(facts.other)),
  ].filter(Boolean)));
}

/** @type {import('../model/types.js').Panel} */
export const facts = { id: 'facts', title: 'What this was made with', place: 'below', applies: () => true, render };
