// SPDX-License-Identifier: Apache-2.0
// One table of keys: what is registered here works, and is what the legend (legend.js) says.

/**
 * @typedef {{ keys: string[], text: string, where?: string, run?: (event: KeyboardEvent) => void, when?: () => boolean }} KeyRow
 *   keys: values of KeyboardEvent.key. where: the heading in the legend; "Everywhere" if there is none. run: missing where the
 *   element that has the focus listens itself, as the flame graph does for arrows. when: false leaves the key to others.
 */

/** @type {KeyRow[]} */
const rows = [];

/** @param {KeyRow[]} more */
export function addKeys(more) {
  for (const row of more) if (!rows.some(r => r.where === row.where && r.text === row.text)) rows.push(row);
}

export const allKeys = () => rows;

/**
 * Whether letters that are typed there are text.
 * @param {EventTarget | null} target
 */
export function takesText(target) {
  const e = /** @type {HTMLElement | null} */ (target);
  if (!e || !e.tagName) return false;
  if (e.isContentEditable || e.tagName === 'TEXTAREA' || e.tagName === 'SELECT') return true;
  return e.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(/** @type {HTMLInputElement} */ (e).type);
}

/**
 * The row that an event is for. In a text field only Escape counts, and no key counts that is pressed with Control, Alt or Meta,
 * because those are the browser's.
 * @param {Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'altKey' | 'metaKey' | 'target' | 'defaultPrevented'>} event
 */
export function rowOf(event) {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return undefined;
  if (event.key !== 'Escape' && takesText(event.target)) return undefined;
  return rows.find(row => row.run && row.keys.includes(event.key) && (!row.when || row.when()));
}

/** @param {Document} document */
export function listen(document) {
  document.addEventListener('keydown', event => {
    const row = document.querySelector('dialog[open]') ? undefined : rowOf(event);
    if (!row || !row.run) return;
    event.preventDefault();
    row.run(event);
  });
}

/** @type {Record<string, string>} */
const names = { ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', ' ': 'Space' };
/**
 * How a key is written.
 * @param {string} key
 */
export const nameOfKey = key => names[key] || key;
