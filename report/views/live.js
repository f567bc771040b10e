// SPDX-License-Identifier: Apache-2.0
// The Live button: the page follows the session, stands still, or says that nobody answers.

import { addKeys } from '../access/keys.js';
import { Live } from '../data/live.js';
import { announce, get, make } from './dom.js';

/** @typedef {import('../model/types.js').Store} Store */

const texts = { starting: 'Live', on: 'Live', paused: 'Paused', gone: 'No answer', ended: 'Ended' };

/** @param {number} ms */
const clock = ms => new Date(ms).toLocaleTimeString();

/** @param {Live} live */
function sentence(live) {
  if (live.state === 'gone') return (live.now ? 'The session does not answer since ' + clock(live.now) : 'The session does not answer') +
    ' (' + live.error + '). It is asked again every ' + live.every / 1000 + ' s. What was read stays here.';
  return live.state === 'ended' ? 'The session has ended. What it recorded stays here until you close the page.' : '';
}

/** While somebody drags or chooses, nothing is redrawn under the pointer. */
class Pointer {
  constructor() {
    this.isDown = false;
    /** @type {(() => void)[]} */
    this.waiting = [];
    addEventListener('pointerdown', () => { this.isDown = true; }, true);
    for (const name of ['pointerup', 'pointercancel', 'blur']) addEventListener(name, () => this.up(), true);
  }

  up() {
    this.isDown = false;
    for (const go of this.waiting.splice(0)) setTimeout(go, 0);
  }

  /** @returns {Promise<void>} */
  free() { return this.isDown ? new Promise(resolve => { this.waiting.push(resolve); }) : Promise.resolve(); }
}

/**
 * Follows the session that the page is of. Without one there is no button.
 * @param {Store} store
 */
export function follow(store) {
  const { model } = store;
  if (!model.data.live) return null;
  const live = new Live(model.data.live, { search: location.search }), pointer = new Pointer();
  const button = make('button', { id: 'live', class: 'livebutton' }), note = make('div', { class: 'problems', role: 'status', hidden: true });
  let own = model.profiles;
  get('keys').before(button);
  get('problems').before(note);
  const toggle = () => {
    if (live.state === 'paused') { own = model.profiles; live.start(); } else live.pause();
    announce(live.state === 'paused' ? 'The page stands still' : 'The page follows the session');
  };
  button.onclick = toggle;
  addKeys([{ keys: ['l', 'L'], text: 'follow the session, or stand still', run: toggle }]);
  live.onchange = () => {
    const text = sentence(live);
    button.dataset.state = live.state;
    button.setAttribute('aria-pressed', String(live.state !== 'paused'));
    button.replaceChildren(make('span', { class: 'dot', 'aria-hidden': 'true' }), texts[live.state]);
    button.title = (live.state === 'paused' ? 'Follow the session again (L)' : 'Stand still (L). A new interval every ' + live.every / 1000 + ' s') +
      (live.now ? '; the last one ended at ' + clock(live.now) : '');
    if (note.textContent !== text) note.textContent = text;
    note.hidden = !text;
  };
  live.onprofiles = async (profiles, problems) => {
    await pointer.free();
    /* Another report was put in the place of this one: it must not go away by itself. */
    if (model.profiles !== own) { live.pause(); return; }
    own = model.profiles = profiles;
    model.problems = problems;
    model.changed();
  };
  live.onchange();
  live.start();
  return live;
}
