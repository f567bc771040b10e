// SPDX-License-Identifier: Apache-2.0
// The flame graph, on a canvas of our own: what is wide enough to be seen is placed and drawn, and nothing else is made.

import { callees, callersOfAll, widthOf } from '../model/graph.js';
import { matchingNodes } from '../model/search.js';
import { amount, percent, shorten, sourceOf } from '../model/text.js';
import { changeText } from './change.js';
import { changeColour, dotColour, frameColour, moduleHues, moduleShares } from './colours.js';
import { announce, isDark, kept, make, placeTip } from './dom.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/graph.js').GraphNode} GraphNode */
/** @typedef {{ n: GraphNode, left: number, width: number, depth: number, top: number, rest: number }} Box
 *   rest: 0, or how many callees of n it stands for that are too narrow each. */

const ROW = 20, LEAST = .7, LEAST_REST = 2, MOST_ROWS = 780 /* canvases end at 32767 pixels */, GRAVITY_MS = 180;
const FONT = '11.5px ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace';

/**
 * The children's numbers from the root to n.
 * @param {GraphNode} n
 */
function pathOf(n) {
  const path = [];
  for (; n.up; n = n.up) path.unshift(n.up.kids().indexOf(n));
  return path.join('.');
}

/** @param {GraphNode} root @param {string} path */
function nodeAt(root, path) {
  let n = root;
  for (const step of path ? path.split('.') : []) n = n.kids()[+step] || n;
  return n;
}

/**
 * The way from the root to a node of the tree.
 * @param {Selection} s @param {GraphNode} root @param {number} id
 */
function nodeOfTree(s, root, id) {
  const path = [];
  for (let at = id; at > 0; at = s.tree.parent[at]) path.unshift(at);
  let n = root;
  for (const step of path) {
    const next = n.kids().find(k => k.id === step);
    if (!next) return null;
    n = next;
  }
  return n;
}

/**
 * Why there is no graph.
 * @param {Selection} s @param {GraphNode} root
 */
function whyEmpty(s, root) {
  if (s.weight.some(n => n < 0)) return 'The sum is ' + amount(root.value, s.unit) + ', because the file has differences, and some are negative. A flame graph has no width for them. The table has all numbers.';
  if (s.whole) return 'Nothing is left of ' + s.title + ' with these filters.';
  return /^Live/.test(s.title) ? 'Nothing that was sampled is in use.' : 'No samples of this kind.';
}

/** @type {WeakMap<import('../model/types.js').Profile, Uint8Array>} */
const calledFunctions = new WeakMap();

/**
 * Whether a function is inlined wherever it is seen.
 * @param {import('../model/types.js').Profile} profile @param {number} fn
 */
function isInlined(profile, fn) {
  let called = calledFunctions.get(profile);
  if (!called) {
    called = new Uint8Array(profile.functions.length);
    for (let i = 0; i < profile.frames.fn.length; i++) if (!profile.frames.inlined[i]) called[profile.frames.fn[i]] = 1;
    calledFunctions.set(profile, called);
  }
  return fn < called.length && !called[fn];
}

class Flame {
  /** @param {HTMLElement} container @param {Store} store */
  constructor(container, store) {
    this.store = store;
    this.legend = make('div', { class: 'legend', role: 'group', 'aria-label': 'Modules' });
    this.crumbs = make('div', { class: 'crumbs' });
    this.canvas = make('canvas', { tabIndex: 0, role: 'application', 'aria-roledescription': 'flame graph' });
    this.empty = make('div', { class: 'empty', hidden: true });
    this.area = make('div', { class: 'flame' }, this.canvas, this.empty);
    this.tip = make('div', { class: 'tip', role: 'tooltip' });
    container.append(this.legend, this.crumbs, this.area, this.tip);
    /** @type {Selection | null} */
    this.s = null;
    /** @type {GraphNode | null} */
    this.root = null;
    /** @type {GraphNode | null} */
    this.zoomed = null;
    /** @type {GraphNode | null} */
    this.current = null;
    /** @type {Box[]} */
    this.boxes = [];
    /** @type {Map<GraphNode, { x: number, w: number }>} */
    this.places = new Map();
    this.view = { x0: 0, x1: 1 };
    this.run = 0;
    this.rows = 0;
    this.moving = false;
    this.key = '';
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.area);
  }

  listen() {
    this.canvas.addEventListener('mousemove', event => this.hover(event));
    this.canvas.addEventListener('mouseleave', () => { this.hide(); this.current = null; this.draw(); });
    this.canvas.addEventListener('blur', () => this.hide());
    this.canvas.addEventListener('click', event => { const b = this.boxAt(event); if (b) this.choose(b.n); });
    this.canvas.addEventListener('dblclick', event => {
      const b = this.boxAt(event), f = b && this.s?.tree.functions[b.n.fn];
      if (f) this.store.set({ fn: f.name + '\t' + f.module, view: 'sandwich' });
    });
    this.canvas.addEventListener('keydown', event => this.onKey(event));
  }

  hide() { this.tip.style.display = 'none'; }

  /** @param {Selection} s */
  show(s) {
    const { state } = this.store, before = this.s, key = JSON.stringify([state.invert]);
    this.s = s;
    if (!before || before.weight !== s.weight || before.base !== s.base || before.tree !== s.tree || key !== this.key) this.reset(s, key);
    const root = /** @type {GraphNode} */ (this.root), target = nodeAt(root, state.zoom);
    if (!s.moving) this.showLegend(s);
    this.empty.hidden = root.value + root.base > 0;
    this.canvas.hidden = !this.empty.hidden;
    this.empty.textContent = whyEmpty(s, root);
    this.canvas.setAttribute('aria-label', 'Flame graph of ' + s.title + '. Arrow keys move, Enter zooms, Escape shows all. The table of functions has the same numbers.');
    if (target !== this.zoomed) this.zoom(target, this.zoomed === null);
    else { this.showCrumbs(); this.draw(); }
  }

  /** @param {Selection} s @param {string} key */
  reset(s, key) {
    this.key = key;
    this.root = this.store.state.invert ? callersOfAll(s) : callees(s);
    this.zoomed = this.current = null;
    this.view = { x0: 0, x1: 1 };
    if (!s.moving) this.rows = 0;
    this.places.clear();
    this.hide();
  }

  /** @param {GraphNode} n */
  label(n) {
    const s = /** @type {Selection} */ (this.s), f = s.tree.functions[n.fn];
    return f ? shorten(f.name) : s.title;
  }

  /* ---- Where boxes are ---- */

  /**
   * Of the whole graph's width.
   * @param {GraphNode} n @returns {{ x: number, w: number }}
   */
  place(n) {
    let known = this.places.get(n);
    if (known) return known;
    if (!n.up) known = { x: 0, w: 1 };
    else {
      const up = this.place(n.up), all = widthOf(/** @type {GraphNode} */ (this.root)) || 1;
      let x = up.x;
      for (const k of n.up.kids()) {
        if (k === n) break;
        x += widthOf(k) / all;
      }
      known = { x, w: widthOf(n) / all };
    }
    this.places.set(n, known);
    return known;
  }

  /** @param {number} width */
  layOut(width) {
    const root = /** @type {GraphNode} */ (this.root), scale = width / (this.view.x1 - this.view.x0), all = widthOf(root) || 1;
    let deepest = 0;
    /** @type {{ n: GraphNode, x: number, w: number, depth: number }[]} */
    const stack = [{ n: root, x: 0, w: 1, depth: 0 }];
    this.boxes = [];
    for (let item; (item = stack.pop());) {
      const { n, x, w, depth } = item;
      const left = Math.max(0, (x - this.view.x0) * scale), right = Math.min(width, (x + w - this.view.x0) * scale);
      if (right - left < LEAST || depth >= MOST_ROWS) continue;
      this.places.set(n, { x, w });
      this.boxes.push({ n, left, width: right - left, depth, top: 0, rest: 0 });
      deepest = Math.max(deepest, depth);
      const kids = n.kids();
      let at = x, drawn = 0;
      for (; drawn < kids.length; drawn++) {
        const kw = widthOf(kids[drawn]) / all;
        if (kw * scale < LEAST) break; /* sorted: the rest is narrower */
        stack.push({ n: kids[drawn], x: at, w: kw, depth: depth + 1 });
        at += kw;
      }
      if (drawn < kids.length) deepest = Math.max(deepest, this.addRest(n, kids.slice(drawn), at, scale, depth + 1, width));
    }
    return deepest + 1;
  }

  /**
   * One box for all callees of n that are too narrow. Returns its depth, or 0.
   * @param {GraphNode} n @param {GraphNode[]} kids @param {number} at @param {number} scale @param {number} depth @param {number} width
   */
  addRest(n, kids, at, scale, depth, width) {
    const all = widthOf(/** @type {GraphNode} */ (this.root)) || 1, w = kids.reduce((sum, k) => sum + widthOf(k), 0) / all;
    const left = Math.max(0, (at - this.view.x0) * scale), right = Math.min(width, (at + w - this.view.x0) * scale);
    if (right - left < LEAST_REST || depth >= MOST_ROWS) return 0;
    this.boxes.push({ n, left, width: right - left, depth, top: 0, rest: kids.length });
    return depth;
  }

  draw() {
    const c = this.canvas.getContext('2d'), { s, root } = this;
    if (!c || !s || !root || this.canvas.hidden || !this.area.clientWidth) return;
    const ratio = devicePixelRatio || 1, width = this.area.clientWidth - 24, now = this.layOut(width);
    this.rows = this.moving || s.moving ? Math.max(this.rows, now) : now;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.rows * ROW * ratio);
    this.canvas.style.height = this.rows * ROW + 'px';
    c.scale(ratio, ratio);
    c.font = FONT;
    c.textBaseline = 'middle';
    const char = c.measureText('mmmmmmmmmm').width / 10, { state } = this.store;
    for (const b of this.boxes) {
      b.top = (state.upwards ? this.rows - 1 - b.depth : b.depth) * ROW;
      this.drawBox(c, s, root, b, char);
    }
    const box = this.current && this.boxes.find(b => b.n === this.current && !b.rest);
    if (!box) return;
    c.strokeStyle = isDark() ? '#fff' : '#111827';
    c.lineWidth = 1.5;
    c.strokeRect(box.left + .75, box.top + .75, Math.max(box.width - 2.5, 1), ROW - 2.5);
  }

  /** @param {CanvasRenderingContext2D} c @param {Selection} s @param {GraphNode} root @param {Box} b @param {number} char */
  drawBox(c, s, root, b, char) {
    if (b.rest) { this.drawRest(c, b, char); return; }
    const faded = s.matched !== null && !(b.n.fn >= 0 && s.matched[b.n.fn]);
    c.fillStyle = frameColour(s, b.n, root, this.store.state.colour, faded);
    c.fillRect(b.left, b.top, Math.max(b.width - (b.width > 3 ? 1 : .2), .5), ROW - 1);
    const room = Math.floor((b.width - 9) / char);
    if (b.width < 26 || room < 2) return;
    const text = (s.base ? changeText(b.n.value, b.n.base) + ' ' : '') + this.label(b.n), dark = isDark();
    c.fillStyle = faded ? (dark ? '#8b96a6' : '#667085') : dark ? '#f3f5f8' : '#1d222b';
    c.fillText(text.length <= room ? text : text.slice(0, room - 1) + '…', b.left + 5, b.top + ROW / 2);
  }

  /** @param {CanvasRenderingContext2D} c @param {Box} b @param {number} char */
  drawRest(c, b, char) {
    const dark = isDark(), text = b.rest + ' more';
    c.fillStyle = dark ? '#20252d' : '#eceef1';
    c.fillRect(b.left, b.top, b.width - 1, ROW - 1);
    if (b.width < (text.length + 1) * char) return;
    c.fillStyle = dark ? '#8b96a6' : '#667085';
    c.fillText(text, b.left + 5, b.top + ROW / 2);
  }

  /* ---- Zoom ---- */

  /**
   * A click on what is zoomed goes up again.
   * @param {GraphNode} n
   */
  choose(n) {
    const to = n === this.zoomed && n.up ? n.up : n;
    this.current = to;
    this.store.set({ zoom: pathOf(to) });
  }

  /** @param {GraphNode} n @param {boolean} atOnce */
  zoom(n, atOnce) {
    const from = { ...this.view }, begin = performance.now(), { x, w } = this.place(n);
    const still = atOnce || matchMedia('(prefers-reduced-motion: reduce)').matches, run = ++this.run;
    this.zoomed = n;
    this.showCrumbs();
    const frame = (/** @type {number} */ time) => {
      if (run !== this.run) return;
      const k = still ? 1 : Math.min(1, Math.max(0, (time - begin) / GRAVITY_MS)), ease = 1 - (1 - k) ** 3;
      this.view = { x0: from.x0 + (x - from.x0) * ease, x1: from.x1 + (x + w - from.x1) * ease };
      this.moving = k < 1;
      this.draw();
      if (k < 1) requestAnimationFrame(frame);
    };
    if (still) frame(begin); else requestAnimationFrame(frame);
  }

  showCrumbs() {
    const s = /** @type {Selection} */ (this.s), root = /** @type {GraphNode} */ (this.root), names = [];
    const at = this.zoomed || root;
    for (let n = /** @type {GraphNode | null} */ (at); n; n = n.up) names.unshift(this.label(n));
    if (at === root) this.crumbs.textContent = s.moving ? '' : 'Click to zoom in, double click for callers and callees of a function';
    else this.crumbs.textContent = names.join(' › ') + '   ' + amount(at.value, s.unit) + ', ' + percent(at.value / (root.value || 1));
  }

  /* ---- Mouse and keys ---- */

  /** @param {MouseEvent} event */
  boxAt(event) {
    const r = this.canvas.getBoundingClientRect(), x = event.clientX - r.left, y = event.clientY - r.top;
    return this.boxes.find(b => x >= b.left && x < b.left + b.width && y >= b.top && y < b.top + ROW);
  }

  /** @param {MouseEvent} event */
  hover(event) {
    const b = this.boxAt(event), n = b && !b.rest ? b.n : null;
    if (n !== this.current) { this.current = n; this.draw(); }
    if (n) this.showTip(n, event.clientX, event.clientY);
    else if (b) this.showRestTip(b, event);
    else this.hide();
  }

  /**
   * What is said of a node: [title, amount, share].
   * @param {GraphNode} n @returns {string[][]}
   */
  facts(n) {
    const s = /** @type {Selection} */ (this.s), root = /** @type {GraphNode} */ (this.root), { invert } = this.store.state;
    const total = root.value || 1, lines = [[invert ? 'through here' : 'with callees', amount(n.value, s.unit), percent(n.value / total)]];
    if (!invert && n.fn >= 0) lines.push(['own', amount(n.own, s.unit), percent(n.own / total)]);
    if (n.up && n.up !== root) lines.push([invert ? 'of what it calls' : 'of its caller', '', percent(n.value / (n.up.value || 1))]);
    if (s.base) {
      lines.push(['before', amount(n.base, s.unit), percent(n.base / (root.base || 1))]);
      lines.push(['change', (n.value > n.base ? '+' : '') + amount(n.value - n.base, s.unit), n.base ? (n.value > n.base ? '+' : '') + percent(n.value / n.base - 1) : 'new']);
    }
    return lines;
  }

  /** @param {GraphNode} n @param {number} x @param {number} y */
  showTip(n, x, y) {
    const s = /** @type {Selection} */ (this.s), f = s.tree.functions[n.fn];
    const where = f ? [f.module, sourceOf(f), isInlined(s.profile, n.fn) ? 'inlined' : ''].filter(Boolean).join('  ·  ') : '';
    this.tip.replaceChildren(make('div', { class: 'name' }, f ? f.name : s.title), ...(where ? [make('div', { class: 'where' }, where)] : []),
      make('table', {}, ...this.facts(n).map(line => make('tr', {}, ...line.map(cell => make('td', {}, cell))))));
    placeTip(this.tip, x, y);
  }

  /** @param {Box} b @param {MouseEvent} event */
  showRestTip(b, event) {
    this.tip.replaceChildren(make('div', { class: 'name' }, b.rest + ' functions that are too narrow to be drawn'),
      make('div', { class: 'where' }, 'Click to zoom to ' + this.label(b.n) + '. The table has all functions.'));
    placeTip(this.tip, event.clientX, event.clientY);
  }

  /** @param {GraphNode} n */
  moveTo(n) {
    this.current = n;
    this.draw();
    const f = this.s?.tree.functions[n.fn], b = this.boxes.find(x => x.n === n && !x.rest), r = this.canvas.getBoundingClientRect();
    announce((f ? f.name : 'all') + ', ' + this.facts(n).map(line => line.filter(Boolean).join(' ')).join(', '));
    if (b) this.showTip(n, r.left + b.left + Math.min(b.width / 2, 200), r.top + b.top + ROW / 2);
    else this.hide();
  }

  /**
   * The next or previous one of the same caller.
   * @param {GraphNode} n @param {number} step
   */
  sibling(n, step) {
    const all = n.up ? n.up.kids() : [n];
    return all[all.indexOf(n) + step] || n;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const at = this.current || this.zoomed || this.root;
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const down = this.store.state.upwards ? 'ArrowUp' : 'ArrowDown', up = down === 'ArrowUp' ? 'ArrowDown' : 'ArrowUp';
    if (event.key === down) this.moveTo(at.kids()[0] || at);
    else if (event.key === up) this.moveTo(at.up || at);
    else if (event.key === 'ArrowRight') this.moveTo(this.sibling(at, 1));
    else if (event.key === 'ArrowLeft') this.moveTo(this.sibling(at, -1));
    else if (event.key === 'Enter' || event.key === ' ') this.choose(at);
    else return;
    event.preventDefault();
  }

  /* ---- Modules ---- */

  /** @param {Selection} s */
  showLegend(s) {
    const { store } = this;
    this.legend.hidden = store.state.colour !== 'module' && !s.base;
    if (this.legend.hidden) return;
    if (s.base) {
      this.legend.replaceChildren(...[[1, '+ red: more than in ' + s.baseName], [-1, '\u2212 blue: less'], [0, '± grey: as before']].map(([change, text]) => {
        const dot = make('i');
        dot.style.background = changeColour(Number(change), isDark());
        return make('span', { class: 'key' }, dot, String(text));
      }));
      return;
    }
    this.legend.replaceChildren(...moduleShares(s).slice(0, 12).map(([m, sum]) => {
      const dot = make('i'), term = 'module:' + m;
      dot.style.background = dotColour(moduleHues(s).get(m) ?? 0);
      return make('button', { title: m + ': the share of its code. Click to search for it.', onclick: () => store.set({ search: store.state.search === term ? '' : term }) },
        dot, make('span', {}, m), make('small', {}, percent(sum / (s.total || 1))));
    }));
  }
}

/**
 * Zooms to the next or previous match.
 * @param {Selection} s @param {Store} store @param {number} step
 */
export function stepMatch(s, store, step) {
  const list = matchingNodes(s, 10000), root = callees(s);
  if (!list.length) return '';
  const now = store.state.invert ? -1 : list.indexOf(nodeAt(root, store.state.zoom).id);
  const next = now < 0 ? (step > 0 ? 0 : list.length - 1) : (now + step + list.length) % list.length;
  const node = nodeOfTree(s, root, list[next]);
  if (node) store.set({ zoom: pathOf(node), invert: false });
  return next + 1 + ' of ' + list.length;
}

/** @type {import('../model/types.js').View} */
export const flameView = {
  id: 'flame', title: 'Flame graph', applies: () => true,
  render: (container, selection, store) => { kept(container, () => new Flame(container, store)).show(selection); },
};
