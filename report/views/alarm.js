// SPDX-License-Identifier: Apache-2.0
// What nobody should have to look for: threads of the program that wait for each other for ever.

import { findCircles, listThreads } from '../model/threads.js';
import { kept, make } from './dom.js';

/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/threads.js').Thread} Thread */

/**
 * Deadlocks, looked for once a profile.
 * @type {WeakMap<Profile, Thread[][]>}
 */
const known = new WeakMap();

/** @param {Profile} profile */
function circlesOf(profile) {
  let circles = known.get(profile);
  if (!circles) known.set(profile, circles = findCircles(listThreads(profile, profile.samples.values[0])));
  return circles;
}

/** @param {Thread} t */
const nameOf = t => t.name ? '"' + t.name + '"' : String(t.tid);

/** @type {import('../model/types.js').Panel} */
export const alarm = {
  id: 'alarm', title: 'Deadlocks', place: 'above', applies: () => true,
  render(container, selection, store) {
    const threads = store.model.profiles.find(p => p.kind === 'threads' && p.program === selection.profile.program && p.side === selection.profile.side);
    const circles = threads ? circlesOf(threads) : [], box = kept(container, () => {
      const element = make('div', { class: 'problems', role: 'status' });
      container.append(element);
      return element;
    });
    box.hidden = !circles.length || store.state.view === 'threads';
    if (box.hidden) { box.replaceChildren(); return; }
    const button = make('button', { type: 'button' }, 'Show the threads');
    button.onclick = () => store.set({ kind: 'threads', type: -1, view: 'threads', zoom: '' });
    box.replaceChildren(circles.map(circle => 'Deadlock: ' + circle.map(t => nameOf(t) + ' waits for ').join('') + nameOf(circle[0]) + '.').join(' ') + ' ', button);
  },
};
