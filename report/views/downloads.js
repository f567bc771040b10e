// SPDX-License-Identifier: Apache-2.0
// Saves what is shown, for other tools.

import { foldedOf, pprofOf } from '../data/encode.js';
import { pack } from '../data/gzip.js';
import { download, make } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */

/** @param {Selection} s @param {string} end */
const fileName = (s, end) => (s.profile.program + '-' + s.profile.types[s.type].type).replace(/[^\w.-]+/g, '_') + end;

/** @param {Selection} s */
function saveFolded(s) {
  download(fileName(s, '.folded'), foldedOf(s), 'text/plain');
}

/** @param {Selection} s @param {Store} store */
async function savePprof(s, store) {
  download(fileName(s, '.pb.gz'), await pack(pprofOf(s, store.state.span)), 'application/gzip');
}

function saveState() {
  navigator.clipboard?.writeText(location.href).catch(() => {});
}

/**
 * A button with a menu.
 * @param {Store} store @param {() => Selection | null} shown
 */
export function downloadMenu(store, shown) {
  const list = make('div', { hidden: true, role: 'group', 'aria-label': 'Download' });
  const toggle = (/** @type {boolean} */ open) => {
    list.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
  };
  const button = make('button', { title: 'Save what is shown', 'aria-expanded': 'false', onclick: () => toggle(list.hidden) }, 'Download');
  /** @param {string} text @param {string} title @param {(s: Selection) => void} save */
  const entry = (text, title, save) => make('button', { title, onclick: () => { const s = shown(); toggle(false); if (s) save(s); } }, text);
  list.append(entry('Folded stacks', 'Text, one stack a line: for flamegraph.pl, speedscope, grep', saveFolded),
    entry('pprof', 'For go tool pprof, and for cprof report, diff and convert', s => { savePprof(s, store); }),
    entry('Copy the link', 'The address of this page with all that is chosen', saveState));
  const menu = make('div', { class: 'menu' }, button, list);
  menu.addEventListener('keydown', event => { if (event.key === 'Escape' && !list.hidden) { toggle(false); button.focus(); event.stopPropagation(); } });
  document.addEventListener('click', event => { if (!menu.contains(/** @type {Node} */ (event.target))) toggle(false); });
  return menu;
}
