// SPDX-License-Identifier: Apache-2.0
// The state of the page, which is also in its URL: #program=redis-server&kind=cpu&search=malloc. Back and forward undo
// and redo what was chosen. What is as it is by default is not in the URL.

/** @typedef {import('../model/types.js').State} State */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/types.js').Model} Model */

/** @type {State} type: -1 is the profile's own default. */
export const initial = {
  program: '', kind: '', type: -1, view: 'flame', span: null, base: null,
  thread: '', process: 0, module: '', label: '', focus: '', hide: '', collapse: false,
  search: '', regex: false, group: '', colour: 'module', invert: false, upwards: false,
  fn: '', norm: '', sort: '', ascending: false, zoom: '',
};

const has = (/** @type {object} */ o, /** @type {string} */ key) => Object.prototype.hasOwnProperty.call(o, key);

/** @param {any} span */
const spanText = span => Math.round(span[0]) + '-' + Math.round(span[1]);

/** @param {string} text @returns {[number, number] | null} */
function spanOf(text) {
  const match = /^(\d{1,16})-(\d{1,16})$/.exec(text);
  return match && +match[1] < +match[2] ? [+match[1], +match[2]] : null;
}

/** @param {import('../model/types.js').BaseSpec} base */
function baseText(base) {
  if (base.span) return 'span:' + spanText(base.span);
  if (base.thread !== undefined) return 'thread:' + base.thread;
  if (base.label !== undefined) return 'label:' + base.label;
  return 'side:' + (base.side || 0);
}

/** @param {string} text @returns {State['base']} */
function baseOf(text) {
  const [, key, value] = /^(span|thread|label|side):(.*)$/s.exec(text) || [];
  if (key === 'span') { const span = spanOf(value); return span && { span }; }
  if (key === 'side') return /^\d$/.test(value) ? { side: +value } : null;
  return key ? { [key]: value } : null;
}

/** @param {State} state @returns {string} without the # */
export function toHash(state) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    const normal = /** @type {any} */ (initial)[key];
    if (value === normal || value === null || value === undefined) continue;
    if (key === 'span') params.set(key, spanText(value));
    else if (key === 'base') params.set(key, baseText(/** @type {any} */ (value)));
    else params.set(key, typeof value === 'boolean' ? '1' : String(value));
  }
  return params.toString();
}

/**
 * Anybody may have written the URL: what is no state is left out.
 * @param {string} hash with or without the # @returns {State}
 */
export function fromHash(hash) {
  /** @type {any} */
  const state = { ...initial };
  for (const [key, value] of new URLSearchParams(hash.replace(/^#/, ''))) {
    if (!has(initial, key)) continue;
    const normal = /** @type {any} */ (initial)[key];
    if (key === 'span') state.span = spanOf(value);
    else if (key === 'base') state.base = baseOf(value);
    else if (typeof normal === 'boolean') state[key] = value === '1';
    else if (typeof normal === 'number') state[key] = /^-?\d{1,10}$/.test(value) ? +value : normal;
    else state[key] = value;
  }
  if (!['', 'total', 'time', 'none'].includes(state.norm)) state.norm = initial.norm;
  return state;
}

/** Two reports out of one file must not undo each other's state, so that a sandbox without history works, too.
 * @param {string} hash @param {boolean} replace */
function putUrl(hash, replace) {
  try {
    if (replace) history.replaceState(null, '', '#' + hash);
    else history.pushState(null, '', '#' + hash);
  } catch (error) { /* a file in a sandbox, or too many changes in a second */ }
}

/** @param {Model} model @param {string} [start] A state to begin with if the URL has none. @returns {Store} */
export function createStore(model, start = '') {
  /** @type {Set<(state: State, before: State) => void>} */
  const listeners = new Set();
  /** @type {Store} */
  const store = {
    model,
    state: fromHash(location.hash.length > 1 ? location.hash : start),
    set(patch, how = {}) {
      const before = store.state, hash = toHash(before);
      store.state = { ...before, ...patch };
      const now = toHash(store.state);
      if (now === hash) return;
      putUrl(now, how.replace === true);
      tell(before);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const tell = (/** @type {State} */ before) => { for (const listener of [...listeners]) listener(store.state, before); };
  const moved = () => {
    const before = store.state, state = fromHash(location.hash);
    if (toHash(state) === toHash(before)) return;
    store.state = state;
    tell(before);
  };
  window.addEventListener('popstate', moved);
  window.addEventListener('hashchange', moved);
  return store;
}
