// SPDX-License-Identifier: Apache-2.0
// The legend of keys: a dialog that `?` and its button open.
import { addKeys, allKeys, nameOfKey } from './keys.js';
import { prepare } from './say.js';

/** @param {string} tag @param {(Node | string)[]} children */
function element(tag, ...children) {
  const e = document.createElement(tag);
  e.append(...children);
  return e;
}

/** @param {string} where */
function section(where) {
  const list = element('dl');
  for (const row of allKeys()) {
    if ((row.where || 'Everywhere') !== where) continue;
    const keys = row.keys.flatMap((key, i) => [...i ? [' '] : [], element('kbd', nameOfKey(key))]);
    list.append(element('div', element('dt', ...keys), element('dd', row.text)));
  }
  return element('section', element('h3', where), list);
}

/** @type {HTMLDialogElement | null} */
let dialog = null;

export function openLegend() {
  if (!dialog) {
    dialog = /** @type {HTMLDialogElement} */ (element('dialog'));
    dialog.className = 'keys';
    dialog.setAttribute('aria-labelledby', 'keys-title');
    document.body.append(dialog);
    // A click beside the dialog is one on its backdrop, which is the dialog itself.
    dialog.addEventListener('click', event => { if (event.target === dialog) dialog?.close(); });
  }
  const title = element('h2', 'Keys'), close = element('button', 'Close');
  title.id = 'keys-title';
  close.addEventListener('click', () => dialog?.close());
  const places = [...new Set(['Everywhere', ...allKeys().map(row => row.where || 'Everywhere')])];
  dialog.replaceChildren(element('header', title, close), ...places.map(section));
  if (!dialog.open) dialog.showModal();
}

/**
 * Makes `?` open it, and a button, if there is one.
 * @param {HTMLElement | null} button
 */
export function startLegend(button) {
  prepare();
  addKeys([{ keys: ['?'], text: 'Show these keys', run: openLegend }]);
  button?.addEventListener('click', openLegend);
}
