// SPDX-License-Identifier: Apache-2.0
// From a profile and the state to what is shown: which samples count and how much, and in which shape. Every view
// draws a selection, so that filters, spans and comparisons are here and nowhere else.

import { match } from './search.js';
import { isState, titleOf } from './text.js';
import { buildTree } from './tree.js';

/** @typedef {import('./types.js').Profile} Profile */
/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Selection} Selection */
/** @typedef {import('./types.js').Tree} Tree */
/** @typedef {import('./types.js').LabelSet} LabelSet */

/**
 * Small memories of what was made of a profile: the newest entries by key.
 * @template T
 */
class Memory {
  /** @param {number} most */
  constructor(most) { this.most = most; /** @type {WeakMap<Profile, Map<string, T>>} */ this.known = new WeakMap(); }
  /** @param {Profile} profile @param {any[]} key @param {() => T} make @returns {T} */
  get(profile, key, make) {
    let map = this.known.get(profile);
    if (!map) this.known.set(profile, map = new Map());
    const name = JSON.stringify(key);
    let value = map.get(name);
    if (value === undefined) {
      value = make();
      map.set(name, value);
      if (map.size > this.most) map.delete(map.keys().next().value);
    }
    return value;
  }
}

/** @type {Memory<Tree>} */
const trees = new Memory(4);
/** @type {Memory<Weights>} */
const weights = new Memory(8);

/* ---- Samples ---- */

/** @typedef {{ weight: Float64Array, total: number, ms: number }} Weights  ms: how long what is counted lasted */

/** The profile's intervals that count for a span: those whose middle is in it, or the one that it lies in.
 * @param {Profile} profile @param {[number, number]} span */
export function intervalsIn(profile, span) {
  const inside = profile.intervals.filter(i => (i.start + i.end) / 2 >= span[0] && (i.start + i.end) / 2 < span[1]);
  if (inside.length) return inside;
  const middle = (span[0] + span[1]) / 2;
  return profile.intervals.filter(i => i.start <= middle && middle < i.end).slice(0, 1);
}

/**
 * Values of all samples without filters.
 * @param {Profile} profile @param {number} type @param {State} state @returns {Weights}
 */
function valuesOf(profile, type, state) {
  if (state.base?.side && profile.other)
    return { weight: profile.other.values[type], total: 0, ms: profile.other.end - profile.other.start };
  if (!state.span || !profile.intervals.length)
    return { weight: profile.samples.values[type], total: 0, ms: profile.end - profile.start };
  const weight = new Float64Array(profile.samples.node.length);
  let list = intervalsIn(profile, state.span), ms = 0;
  if (isState(profile, type)) list = list.slice(-1);
  for (const interval of list) {
    const values = interval.values[type];
    for (let i = 0; i < values.length; i++) weight[interval.sample[i]] += values[i];
    ms += interval.end - interval.start;
  }
  return { weight, total: 0, ms };
}

/**
 * The label of a set as filters and groups name it.
 * @param {LabelSet} set @param {string} key
 */
export const labelText = (set, key) => Object.prototype.hasOwnProperty.call(set.labels, key) ? key + '=' + set.labels[key] : '(no ' + key + ')';

/**
 * By set of labels: whether filters let it pass; null if there is none.
 * @param {Profile} profile @param {State} state
 */
function setFilter(profile, state) {
  if (!state.thread && !state.process && !state.label) return null;
  const at = state.label.indexOf('='), key = at < 0 ? '' : state.label.slice(0, at);
  return Uint8Array.from(profile.sets, set =>
    (!state.thread || (set.thread || '(no name)') === state.thread) && (!state.process || set.pid === state.process) &&
    (!state.label || labelText(set, at < 0 ? state.label.replace(/^\(no (.*)\)$/, '$1') : key) === state.label) ? 1 : 0);
}

/**
 * A pattern of the filter boxes: a regular expression, or the text itself if it is none.
 * @param {string} text
 */
export function pattern(text) {
  try { return new RegExp(text, 'i'); } catch (error) { return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i'); }
}

/**
 * By node: whether a function of it or above it passes.
 * @param {Profile} profile @param {(fn: import('./types.js').Fn) => boolean} test
 */
function nodeFilter(profile, test) {
  const { parent, frame } = profile.nodes, fnOf = profile.frames.fn, by = Uint8Array.from(profile.functions, f => test(f) ? 1 : 0);
  const on = new Uint8Array(parent.length);
  for (let i = 1; i < on.length; i++) on[i] = on[parent[i]] | by[fnOf[frame[i]]];
  return on;
}

/** @param {Profile} profile @param {number} type @param {State} state @returns {Weights} */
function weigh(profile, type, state) {
  const key = [type, state.span, state.base?.side, state.thread, state.process, state.label, state.module, state.focus];
  return weights.get(profile, key, () => {
    const { weight: all, ms } = valuesOf(profile, type, state), { node, set } = profile.samples;
    const bySet = setFilter(profile, state);
    const byModule = state.module ? nodeFilter(profile, f => f.module === state.module) : null;
    const focus = state.focus ? pattern(state.focus) : null, byFocus = focus && nodeFilter(profile, f => focus.test(f.name));
    const weight = new Float64Array(all.length);
    let total = 0;
    for (let i = 0; i < weight.length; i++) {
      if ((bySet && !bySet[set[i]]) || (byModule && !byModule[node[i]]) || (byFocus && !byFocus[node[i]])) continue;
      total += weight[i] = all[i];
    }
    return { weight, total, ms };
  });
}

/* ---- Stacks ---- */

/** @type {Record<string, (set: LabelSet) => string>} */
const groupings = {
  thread: set => set.thread || '(no name)',
  process: set => set.pid ? 'process ' + set.pid : '(no process)',
};
const LABEL = 'label ';

/** @param {Profile} profile @param {string} group */
function groupsOf(profile, group) {
  const title = groupings[group] || (group.startsWith(LABEL) ? (/** @type {LabelSet} */ set) => labelText(set, group.slice(LABEL.length)) : null);
  if (!title) return null;
  /** @type {Map<string, number>} */
  const known = new Map();
  const bySet = profile.sets.map(set => {
    const name = title(set);
    if (!known.has(name)) known.set(name, known.size);
    return /** @type {number} */ (known.get(name));
  });
  return { titles: [...known.keys()], groupOf: profile.samples.set.map(n => bySet[n]) };
}

/**
 * What samples can be grouped by: ids as in the state, with titles.
 * @param {Profile} profile
 */
export function groupChoices(profile) {
  const choices = [{ id: '', title: 'nothing' }], keys = new Set(profile.sets.flatMap(set => Object.keys(set.labels)));
  if (profile.sets.some(set => set.thread)) choices.push({ id: 'thread', title: 'thread' });
  if (new Set(profile.sets.map(set => set.pid)).size > 1) choices.push({ id: 'process', title: 'process' });
  for (const key of [...keys].sort()) choices.push({ id: LABEL + key, title: LABEL + key });
  return choices;
}

/** @param {Profile} profile @param {State} state */
function treeOf(profile, state) {
  return trees.get(profile, [state.hide, state.collapse, state.group], () => {
    const hide = state.hide ? pattern(state.hide) : null, groups = groupsOf(profile, state.group);
    return buildTree(profile, {
      hidden: hide && Uint8Array.from(profile.functions, f => hide.test(f.name) ? 1 : 0),
      collapse: state.collapse, groupOf: groups && groups.groupOf, titles: groups ? groups.titles : [],
    });
  });
}

/* ---- Both sides ---- */

/**
 * The state of what a comparison begins with.
 * @param {State} state @returns {State}
 */
function baseState(state) {
  const { base } = state;
  if (!base) return state;
  if (base.span) return { ...state, span: base.span, base: null };
  if (base.thread !== undefined) return { ...state, thread: base.thread, base: null };
  if (base.label !== undefined) return { ...state, label: base.label, base: null };
  return state; /* the other side: valuesOf() */
}

/**
 * How both sides are made comparable. Unless the reader says it, amounts are compared as they are, as `cprof diff` does. Two
 * spans are seldom equally long, so theirs are brought to the same time.
 * @param {State} state
 */
export const normOf = state => state.norm || (state.base?.span ? 'time' : 'none');

/**
 * By what the base's values are multiplied.
 * @param {ReturnType<typeof normOf>} norm @param {Weights} now @param {Weights} base
 */
function scaleOf(norm, now, base) {
  if (norm === 'total') return base.total ? now.total / base.total : 1;
  if (norm === 'time') return base.ms > 0 && now.ms > 0 ? now.ms / base.ms : 1;
  return 1;
}

/** @param {State['base']} base @param {Profile} profile */
function baseName(base, profile) {
  if (!base) return '';
  if (base.span) return 'the other span';
  if (base.thread !== undefined) return 'thread ' + base.thread;
  if (base.label !== undefined) return base.label;
  return profile.other?.name || 'the other report';
}

/**
 * The type that is shown.
 * @param {Profile} profile @param {State} state
 */
export const typeOf = (profile, state) =>
  state.type >= 0 && state.type < profile.types.length ? state.type : profile.defaultType;

/** @param {Profile} profile @param {State} state @returns {Selection} */
export function select(profile, state) {
  const type = typeOf(profile, state), tree = treeOf(profile, state);
  const now = weigh(profile, type, { ...state, base: null });
  const comparable = state.base && (!state.base.side || profile.other);
  const before = comparable ? weigh(profile, type, baseState(state)) : null;
  const scale = before && !isState(profile, type) ? scaleOf(normOf(state), now, before) : 1;
  const { matched, error } = match(tree.functions, state.search, state.regex);
  return {
    profile, type, unit: profile.types[type].unit, title: titleOf(profile, type),
    weight: now.weight, total: now.total, whole: profile.samples.values[type].reduce((a, b) => a + b, 0),
    base: before && (scale === 1 ? before.weight : scaledOnce(before.weight, scale)), baseTotal: before ? before.total * scale : 0,
    name: '', baseName: comparable ? baseName(state.base, profile) : '', tree, matched, matchError: error,
  };
}

/** @type {WeakMap<Float64Array, { scale: number, list: Float64Array }>} */
const scaledLists = new WeakMap();

/** @param {Float64Array} list @param {number} scale */
function scaledOnce(list, scale) {
  const known = scaledLists.get(list);
  if (known && known.scale === scale) return known.list;
  const made = list.map(n => n * scale);
  scaledLists.set(list, { scale, list: made });
  return made;
}
