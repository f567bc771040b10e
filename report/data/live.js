// SPDX-License-Identifier: Apache-2.0
// A page that follows a session: asks its server for what is new, every few seconds, and adds it to the profiles. A server
// that is gone is asked again. The answers are those of uploader/live/answer.h.

import { bytesOf } from './embed.js';
import { Loader } from './load.js';

/** @typedef {import('../model/types.js').DataFile} DataFile */
/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {'starting' | 'on' | 'paused' | 'gone' | 'ended'} LiveState
 *   gone: the server does not answer. ended: it does, and the session has ended. */
/** @typedef {{ session: string, since: number, now: number, ended: boolean, more: boolean, files: any[] }} Answer */

const EVERY_MS = 5000, SILENCE_MS = 30000, MOST_ANSWERS = 1000;

/** @param {any} file @returns {DataFile} */
const fileOf = file => ({
  side: 0, program: String(file.program || ''), service: String(file.service || file.program || ''), kind: String(file.kind || ''),
  part: file.part === 'whole' ? 'whole' : 'interval', start: +file.start || 0, end: +file.end || 0, name: String(file.name || ''),
  bytes: bytesOf(String(file.data || '')),
});

/** A name for this page, by which the server keeps apart what each page has seen. */
function newTab() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map(n => (n % 36).toString(36)).join('');
}

export class Live {
  /**
   * @param {string} base URL, relative to the page
   * @param {{ search?: string, every?: number, ask?: (url: string) => Promise<any> }} [options]
   *   search: the page's own query, whose program and pid are asked for. ask: for tests.
   */
  constructor(base, options = {}) {
    const own = new URLSearchParams(options.search || ''), params = new URLSearchParams({ tab: newTab() });
    for (const name of ['program', 'pid']) if (own.has(name)) params.set(name, own.get(name) || '');
    this.url = base + 'live?' + params;
    this.every = options.every || EVERY_MS;
    this.ask = options.ask || this.fetch;
    this.loader = new Loader();
    /** @type {LiveState} */
    this.state = 'starting';
    /** Which session the profiles are of. */
    this.session = '';
    /** When the newest interval ended; ms of the epoch. */
    this.now = 0;
    /** Why the server does not answer. */
    this.error = '';
    /**
     * Called with new profiles. A promise that it returns is waited for.
     * @type {(profiles: Profile[], problems: string[]) => void | Promise<void>}
     */
    this.onprofiles = () => {};
    /** Called after each change of the state, and after each answer. */
    this.onchange = () => {};
    /** @type {any} */
    this.timer = 0;
    this.busy = false;
  }

  /** @param {string} url @returns {Promise<any>} */
  async fetch(url) {
    const control = new AbortController(), timer = setTimeout(() => control.abort(), SILENCE_MS);
    try {
      const response = await fetch(url, { cache: 'no-store', credentials: 'same-origin', redirect: 'error', signal: control.signal });
      if (!response.ok) throw new Error((await response.text()).trim().slice(0, 200) || 'status ' + response.status);
      return await response.json();
    } finally {
      clearTimeout(timer);
    }
  }

  start() {
    clearTimeout(this.timer);
    if (this.state === 'paused') this.set('on');
    if (!this.busy) this.turn();
  }

  pause() {
    clearTimeout(this.timer);
    this.set('paused');
  }

  /** @param {LiveState} state */
  set(state) {
    this.state = state;
    this.onchange();
  }

  /** One question and its answer, and the next one later. */
  async turn() {
    this.busy = true;
    try {
      const answers = await this.collect();
      this.error = '';
      await this.take(answers);
      if (this.isPaused()) this.onchange();
      else this.set(answers[answers.length - 1].ended ? 'ended' : 'on');
    } catch (error) {
      this.error = /** @type {Error} */ (error).message;
      if (!this.isPaused()) this.set('gone');
    }
    this.busy = false;
    clearTimeout(this.timer);
    if (!this.isPaused()) this.timer = setTimeout(() => this.turn(), this.every);
  }

  /** It may have been paused meanwhile. */
  isPaused() { return this.state === 'paused'; }

  /** All of a frame, which may come in several answers. */
  async collect() {
    /** @type {Answer[]} */
    const answers = [];
    do {
      const answer = await this.ask(this.url);
      if (!answer || !Array.isArray(answer.files)) throw new Error('this is no answer of a session');
      answers.push(answer);
    } while (answers[answers.length - 1].more && answers.length < MOST_ANSWERS);
    return answers;
  }

  /** @param {Answer[]} answers */
  async take(answers) {
    const files = answers.flatMap(answer => answer.files.map(fileOf)), { session, since, now } = answers[answers.length - 1];
    if (!files.length) return;
    const key = session + '\n' + since;
    if (this.session !== key) this.loader = new Loader();
    this.session = key;
    this.now = now;
    await this.loader.follow(files);
    await this.onprofiles(this.loader.profiles(), this.loader.problems.slice(-20));
  }
}
