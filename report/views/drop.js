// SPDX-License-Identifier: Apache-2.0
// A second report, or pprof files of any profiler, dropped onto the page or opened by its button: what is compared with.

import { dataOfPage, readData } from '../data/embed.js';
import { load } from '../data/load.js';
import { inOrder, mergeSides, pairs } from '../model/sides.js';
import { announce, get, make } from './dom.js';

/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/types.js').DataFile} DataFile */
/** @typedef {import('../model/sides.js').Side} Side */

/** More is no profile, and would take the page's memory. */
const MOST_BYTES = 1 << 30;

/** @param {File} file @returns {Promise<DataFile[]>} */
async function filesOf(file) {
  if (file.size > MOST_BYTES) throw new Error(file.name + ' is larger than 1 GiB');
  if (/\.html?$/i.test(file.name)) {
    const block = dataOfPage(await file.text());
    if (block === null) throw new Error(file.name + ' is no report of cprof: it has no data block');
    /* Of a comparison, what was measured now. */
    const data = readData(block), last = data.sides.length - 1;
    return data.files.filter(f => f.side === last).map(f => ({ ...f, side: 1 }));
  }
  return [{ side: 1, program: '', service: '', kind: '', part: 'whole', start: 0, end: 0, name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }];
}

/** What the page is called: by its file. */
function ownName() {
  try { return decodeURIComponent(location.pathname.split('/').pop() || '') || 'this report'; } catch (error) { return 'this report'; }
}

export class Dropped {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    /** @type {[Side, Side] | null} base and now */
    this.sides = null;
    /**
     * What the page itself has.
     * @type {Side | null}
     */
    this.own = null;
    document.addEventListener('dragover', event => { if (event.dataTransfer?.types.includes('Files')) { event.preventDefault(); document.body.classList.add('dropping'); } });
    document.addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
    document.addEventListener('drop', event => {
      document.body.classList.remove('dropping');
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.open([...event.dataTransfer.files]);
    });
  }

  /** @param {File[]} files */
  async open(files) {
    const { model } = this.store, name = files.map(f => f.name).join(', ');
    try {
      const list = (await Promise.all(files.map(filesOf))).flat(), { profiles, problems } = await load(list);
      if (!profiles.length) throw new Error(problems[0] || name + ' has no profile');
      if (!this.own) this.own = { name: ownName(), profiles: model.profiles };
      if (!this.own.profiles.length) this.showAlone(profiles);
      else this.put(inOrder(this.own, { name, profiles }));
    } catch (error) {
      this.say(/** @type {Error} */ (error).message);
    }
  }

  /**
   * A page without a profile shows what is dropped onto it.
   * @param {import('../model/types.js').Profile[]} profiles
   */
  showAlone(profiles) {
    this.own = null;
    this.store.model.profiles = profiles.map(p => ({ ...p, side: 0 }));
    this.store.model.changed();
  }

  /** @param {[Side, Side]} sides */
  put(sides) {
    const { model, state } = this.store, merged = mergeSides(...sides), sure = merged.find(p => p.other);
    if (!sure) {
      this.say('Nothing can be compared: the files have no profile of the same kind, or programs of other names.');
      return;
    }
    this.sides = sides;
    model.profiles = merged;
    const still = merged.find(p => p.other && p.program === state.program && p.kind === state.kind) || sure;
    this.store.set({ program: still.program, kind: still.kind, base: { side: 1 }, span: null, view: 'compare' });
    model.changed();
    announce(sides[1].name + ' compared with ' + sides[0].name + ': ' + pairs(merged) + ' profiles');
    get('problems').hidden = true;
  }

  swap() {
    if (this.sides) this.put([this.sides[1], this.sides[0]]);
  }

  /** Only what the page itself has. */
  remove() {
    if (!this.own) return;
    this.store.model.profiles = this.own.profiles;
    this.sides = this.own = null;
    this.store.set({ base: null });
    this.store.model.changed();
  }

  /** @param {string} text */
  say(text) {
    const problems = get('problems');
    problems.hidden = false;
    problems.textContent = text;
  }
}

/** @type {Dropped | null} */
let dropped = null;

/**
 * What was dropped onto the page.
 * @param {Store} store
 */
export const droppedOf = store => dropped || (dropped = new Dropped(store));

/**
 * A button that opens files, for those who do not drag.
 * @param {Store} store
 */
export function openButton(store) {
  const input = make('input', { type: 'file', multiple: true, hidden: true, accept: '.html,.gz,.pb,.pprof,.prof', 'aria-label': 'Files to compare with', tabIndex: -1 });
  const button = make('button', { type: 'button', title: 'Or drop a report or pprof files onto the page' }, 'Open a report or pprof file…');
  input.onchange = () => { if (input.files?.length) droppedOf(store).open([...input.files]); input.value = ''; };
  button.onclick = () => input.click();
  return make('span', {}, button, input);
}
