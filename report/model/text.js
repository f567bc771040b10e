// SPDX-License-Identifier: Apache-2.0
// Words and numbers as the page writes them.

/** @typedef {import('./types.js').Profile} Profile */

/** @type {Record<string, string>} */
const titles = {
  'cpu/samples': 'CPU samples', 'cpu/cpu': 'CPU time',
  'memory/alloc_objects': 'Allocated blocks', 'memory/alloc_space': 'Allocated bytes',
  'memory/inuse_objects': 'Live blocks', 'memory/inuse_space': 'Live bytes',
  'mutex/contentions': 'Mutex contentions', 'mutex/delay': 'Mutex delay',
  'block/contentions': 'Blocking events', 'block/delay': 'Block delay',
  'wall/samples': 'Wall samples', 'wall/wall': 'Wall time',
  'off_cpu/samples': 'Off-CPU samples', 'off_cpu/events': 'Off-CPU events', 'off_cpu/off_cpu': 'Off CPU',
  'threads/threads': 'Threads', 'threads/thread': 'Threads', 'threads/goroutine': 'Goroutines',
  'threadcreate/threadcreate': 'Threads created',
};

/** @param {string} text */
export const capital = text => text.charAt(0).toUpperCase() + text.slice(1);

/**
 * The title of one value of a profile.
 * @param {{ kind: string, types: { type: string, unit: string }[] }} profile @param {number} type
 */
export function titleOf(profile, type) {
  const name = profile.types[type]?.type ?? '';
  const known = titles[profile.kind + '/' + name];
  if (known) return known;
  return capital((profile.kind === name || !profile.kind ? name : profile.kind + ' ' + name).replace(/_/g, ' ')) || 'Samples';
}

/** @param {number} n @param {string} unit */
const digits = (n, unit) => {
  const size = Math.abs(n);
  return (size >= 100 ? n.toFixed(0) : size >= 10 ? n.toFixed(1) : n.toFixed(2)) + ' ' + unit;
};

/** @param {number} n @param {number} step @param {string[]} units */
function scaled(n, step, units) {
  let i = 0;
  while (Math.abs(n) >= step && i < units.length - 1) { n /= step; i++; }
  return i || units[0] !== 'B' ? digits(n, units[i]) : n.toFixed(0) + ' B';
}

/** @param {number} n */
export const count = n => Math.round(n).toLocaleString('en-US').replace(/,/g, '\u202f');

/** @type {Record<string, number>} */
const times = { nanoseconds: 1, ns: 1, microseconds: 1e3, us: 1e3, milliseconds: 1e6, ms: 1e6, seconds: 1e9, s: 1e9 };
/** @type {Record<string, number>} */
const sizes = { bytes: 1, byte: 1, B: 1, kilobytes: 1024, kb: 1024, megabytes: 1048576, mb: 1048576 };

/**
 * How a value is written. unit: as pprof writes it.
 * @param {number} n @param {string} unit @returns {string}
 */
export function amount(n, unit) {
  if (sizes[unit]) return scaled(n * sizes[unit], 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']);
  if (!times[unit] || !n) return count(n);
  n *= times[unit];
  if (Math.abs(n) < 6e10) return scaled(n, 1000, ['ns', 'µs', 'ms', 's']);
  const sign = n < 0 ? '-' : '', s = Math.floor(Math.abs(n) / 1e9);
  return sign + (s >= 3600 ? Math.floor(s / 3600) + ' h ' : '') + Math.floor(s / 60) % 60 + ' min ' + s % 60 + ' s';
}

/**
 * The value with all its digits, for titles.
 * @param {number} n @param {string} unit
 */
export const exact = (n, unit) => count(n) + (unit && unit !== 'count' ? ' ' + unit : '');

/** @param {number} n A share, 1 for all. */
export function percent(n) {
  if (!isFinite(n)) n = 0;
  const size = Math.abs(n);
  return (n === 0 ? '0' : size >= .9995 ? (n * 100).toFixed(0) : (n * 100).toFixed(size < .1 ? 2 : 1)) + '\u202f%';
}

/** @type {Map<string, string>} */
const shorts = new Map();

/**
 * Arguments and template parameters are for the tooltip; a box has room for the name.
 * @param {string} name
 */
export function shorten(name) {
  let short = shorts.get(name);
  if (short !== undefined) return short;
  let depth = 0;
  short = '';
  for (let i = 0; i < name.length; i++) {
    const c = name[i], own = /operator[<>()=-]*$/.test(name.slice(Math.max(0, i - 12), i));
    if (!own && (c === '<' || c === '(') && i && !name.startsWith('(anonymous', i) && !isReceiver(name, i)) {
      if (!depth++) short += c === '<' ? '<…' : '';
    } else if (depth && (c === '>' || c === ')') && name[i - 1] !== '-') {
      if (!--depth) short += c === '>' ? '>' : '';
    } else if (!depth) short += c;
  }
  short = depth || !short ? name : short;
  shorts.set(name, short);
  return short;
}

/**
 * Go's methods: main.(*Server).serve.
 * @param {string} name @param {number} at
 */
const isReceiver = (name, at) => name[at] === '(' && name[at - 1] === '.' && name[at + 1] === '*';

/** @param {string} text */
export function hash(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return (h ^ h >>> 15) >>> 0;
}

/**
 * The end of a path, where the whole has no room.
 * @param {string} path
 */
export const tail = path => path.length > 34 ? '…/' + path.split('/').slice(-2).join('/') : path;

/** @param {{ file: string, line: number }} fn */
export const sourceOf = fn => fn.file ? fn.file + (fn.line ? ':' + fn.line : '') : '';

/** Whether a value says what there is at its time, so that it cannot be added up over time.
 * @param {{ kind: string, types: { type: string, unit: string }[] }} profile @param {number} type */
export const isState = (profile, type) => /^(threads|threadcreate|goroutine)$/.test(profile.kind) || /^inuse_/.test(profile.types[type]?.type ?? '');
