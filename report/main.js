// SPDX-License-Identifier: Apache-2.0
// The page: reads its data, and draws it again after each change of the state.

import { addKeys, listen } from './access/keys.js';
import { startLegend } from './access/legend.js';
import { readData } from './data/embed.js';
import { Loader, pause } from './data/load.js';
import { select } from './model/select.js';
import { amount } from './model/text.js';
import { mergeOwnSides } from './model/sides.js';
import { createStore } from './state/state.js';
import { Bar } from './views/bar.js';
import { get, make } from './views/dom.js';
import { downloadMenu } from './views/downloads.js';
import { droppedOf, openButton } from './views/drop.js';
import { chosenProfile, prepareTheme, showHeader, showTabs } from './views/header.js';
import { panels, views } from './views/index.js';
import { follow } from './views/live.js';

/** @typedef {import('./model/types.js').Store} Store */
/** @typedef {import('./model/types.js').View} View */
/** @typedef {import('./model/types.js').Profile} Profile */

/**
 * The place of each view and panel, which it keeps.
 * @type {Map<View, HTMLElement>}
 */
const places = new Map();

/** @param {View} view @param {HTMLElement} parent @param {string} tag */
function placeOf(view, parent, tag) {
  let place = places.get(view);
  if (!place) {
    places.set(view, place = document.createElement(tag));
    place.id = 'view-' + view.id;
    parent.append(place);
  }
  return place;
}

class Page {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    /** @type {Bar} */
    this.bar = new Bar(get('bar'), store, [downloadMenu(store, () => this.bar.s)]);
    /** @type {View[]} */
    this.shown = [];
  }

  /** @param {Profile} profile */
  showViews(profile) {
    const { store } = this;
    this.shown = views.filter(v => v.applies(profile, store.model.data));
    const view = this.shown.find(v => v.id === store.state.view) || this.shown[0];
    get('views').replaceChildren(...this.shown.map((v, i) => make('button', {
      role: 'tab', 'aria-selected': String(v === view), 'aria-controls': 'view', tabIndex: v === view ? 0 : -1,
      title: i < 9 ? 'Key ' + (i + 1) : '', onclick: () => store.set({ view: v.id }),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.moveTab(event, i),
    }, v.title)));
    return view;
  }

  /**
   * Arrow keys go from tab to tab.
   * @param {KeyboardEvent} event @param {number} i
   */
  moveTab(event, i) {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!step) return;
    const to = (i + step + this.shown.length) % this.shown.length;
    this.store.set({ view: this.shown[to].id });
    /** @type {HTMLElement} */ (get('views').children[to]).focus();
    event.preventDefault();
  }

  /**
   * While the reader drags, what depends on the span and is looked at.
   * @param {Profile} profile
   */
  showMoving(profile) {
    const { store } = this, selection = { ...select(profile, store.state), moving: true };
    const view = this.shown.find(v => v.id === store.state.view) || this.shown[0];
    for (const panel of panels) if (panel.id === 'timeline') panel.render(placeOf(panel, get(panel.place), 'div'), selection, store);
    view.render(placeOf(view, get('view'), 'div'), selection, store);
  }

  show() {
    const { store } = this, profile = chosenProfile(store);
    if (store.dragging && profile) { this.showMoving(profile); return; }
    this.showProblems();
    if (!profile) { this.showNothing(); return; }
    document.getElementById('nothing')?.remove();
    get('bar').hidden = false;
    const focused = document.activeElement?.closest('#tabs, #views'), at = focused ? [...focused.children].indexOf(/** @type {Element} */ (document.activeElement)) : -1;
    showHeader(store, profile);
    showTabs(store, profile);
    const view = this.showViews(profile), selection = select(profile, store.state);
    this.bar.show(selection, view.id);
    for (const panel of panels) {
      const place = placeOf(panel, get(panel.place), 'div');
      place.hidden = !panel.applies(profile, store.model.data);
      if (!place.hidden) panel.render(place, selection, store);
    }
    for (const v of views) placeOf(v, get('view'), 'div').hidden = v !== view && !(view.id === 'flame' && v.id === 'table');
    view.render(placeOf(view, get('view'), 'div'), selection, store);
    /* The graph and its numbers are read together. */
    const table = views.find(v => v.id === 'table');
    if (view.id === 'flame' && table) table.render(placeOf(table, get('view'), 'div'), selection, store);
    if (focused && at >= 0) /** @type {HTMLElement | undefined} */ (focused.children[at])?.focus();
  }

  showProblems() {
    const { problems, data } = this.store.model, left = data.leftOut, lines = problems.map(p => 'cannot read ' + p);
    if (left.programs) lines.push(left.programs + ' programs did not fit into this report with all their profiles; the session’s directory has them.');
    if (left.intervals) lines.push('The oldest ' + left.intervals + ' intervals (' + amount(left.bytes, 'bytes') + ') did not fit into this report. cprof report makes one with all of them, if the directory still has them.');
    get('problems').hidden = !lines.length;
    get('problems').replaceChildren(...lines.slice(0, 20).map(line => make('div', {}, line)));
  }

  showNothing() {
    get('program').hidden = true;
    for (const id of ['tabs', 'above', 'views', 'below']) get(id).replaceChildren();
    get('bar').hidden = true;
    places.clear();
    get('view').replaceChildren(make('div', { class: 'empty', id: 'nothing' }, make('p', {}, 'There is no profile in this report.'), openButton(this.store)));
  }

  addKeys() {
    const { store, bar } = this, inView = () => this.shown.length > 0;
    addKeys([
      { keys: ['/'], text: 'Search', run: () => bar.search.select() },
      { keys: ['n'], text: 'Next match', run: () => bar.step(1) },
      { keys: ['N'], text: 'Previous match', run: () => bar.step(-1) },
      { keys: ['Escape'], text: 'Without zoom and search; once more: without filters', run: () => this.escape() },
      { keys: ['f'], text: 'Filters', run: () => bar.showFilters(bar.filters.hidden) },
      { keys: ['i'], text: 'Callers, and back', run: () => store.set({ invert: !store.state.invert, zoom: '' }) },
      { keys: ['t'], text: 'Light or dark', run: () => get('theme').click() },
      { keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9'], text: 'The view of that number', when: inView,
        run: event => { const view = this.shown[+event.key - 1]; if (view) store.set({ view: view.id }); } },
      { keys: ['Alt+←', 'Alt+→'], text: 'Undo and redo, by the browser’s history' },
      { keys: ['ArrowLeft', 'ArrowRight'], where: 'In the flame graph', text: 'The neighbours' },
      { keys: ['ArrowUp', 'ArrowDown'], where: 'In the flame graph', text: 'The caller, and the callee that has most' },
      { keys: ['Enter'], where: 'In the flame graph', text: 'Zoom, and back' },
      { keys: ['Enter'], where: 'In the table', text: 'Search for the function' },
    ]);
  }

  /** First zoom and search, then filters. */
  escape() {
    const { zoom, search } = this.store.state;
    this.bar.search.value = '';
    /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
    if (zoom || search) this.store.set({ zoom: '', search: '' });
    else this.bar.reset();
  }
}

/** What is read before the page is drawn for the first time, if there is more. */
const MOST_FIRST_BYTES = 4 << 20;

/**
 * Of a large report the profiles of the whole come first and are drawn; the intervals of the time line come then.
 * @param {import('./model/types.js').DataFile[]} files
 */
function inParts(files) {
  const wholes = files.filter(f => f.part === 'whole'), bytes = files.reduce((sum, f) => sum + f.bytes.length, 0);
  return bytes > MOST_FIRST_BYTES && wholes.length ? [wholes, files.filter(f => f.part !== 'whole')] : [files, []];
}

async function start() {
  const data = readData(get('data').textContent || '');
  get('version').textContent = data.version;
  /** @type {import('./model/types.js').Model} */
  const model = { data, profiles: [], problems: [], changed: () => {} };
  const store = createStore(model, data.view), loading = make('div', { class: 'empty' }, 'Reading the profiles');
  /** @type {Page | null} */
  let page = null;
  prepareTheme(() => page?.show());
  get('view').append(loading);
  const loader = new Loader(), parts = inParts(data.files);
  const read = async (/** @type {import('./model/types.js').DataFile[]} */ files) => {
    await loader.add(files, (done, all) => { loading.textContent = 'Reading the profiles: ' + done + ' of ' + all; });
    model.profiles = mergeOwnSides(loader.profiles(), data.sides);
    model.problems = loader.problems;
  };
  await read(parts[0]);
  if (data.sides.length > 1 && location.hash.length < 2 && !data.view) store.set({ base: { side: 1 }, view: 'compare' }, { replace: true });
  const open = () => {
    loading.remove();
    const shown = page = new Page(store);
    model.changed = () => shown.show();
    droppedOf(store);
    get('program').onchange = event => store.set({ program: /** @type {HTMLSelectElement} */ (event.target).value, kind: '', type: -1, zoom: '', group: '', thread: '', process: 0, label: '', module: '', span: null });
    shown.addKeys();
    startLegend(get('keys'));
    listen(document);
    store.subscribe(() => shown.show());
    shown.show();
    performance.mark('drawn');
    if (!parts[1].length) document.documentElement.dataset.ready = '1';
  };
  if (data.live && !model.profiles.length) {
    loading.textContent = 'Waiting for the first profiles of the session';
    model.changed = () => { if (model.profiles.length) open(); };
  } else open();
  if (parts[1].length) {
    get('main').setAttribute('aria-busy', 'true');
    get('above').after(loading);
    await pause();
    await read(parts[1]);
    loading.remove();
    get('main').removeAttribute('aria-busy');
    model.changed();
    document.documentElement.dataset.ready = '1';
  }
  follow(store);
}

start();
