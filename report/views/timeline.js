// SPDX-License-Identifier: Apache-2.0
// The time line: one lane for the chosen type, and one each for CPU, memory in use and threads. A brush selects a span, a
// second one the span to compare with. d3 moves the brushes and draws the axis.

import { axisBottom } from 'd3-axis';
import { brushSelection, brushX } from 'd3-brush';
import { scaleTime } from 'd3-scale';
import { select } from 'd3-selection';

import { addKeys } from '../access/keys.js';
import { amount, percent, titleOf } from '../model/text.js';
import { snap, stepSpan, tracks } from '../model/timeline.js';
import { announce, kept, later, make } from './dom.js';
import { shape } from './svg.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/timeline.js').Track} Track */
/** @typedef {[number, number]} Span */
/** @typedef {'span' | 'base'} Which */

const TALL = 54, SMALL = 20, GAP = 14, AXIS = 22, EDGE = 30 /* half of a time on the axis */;

/**
 * A track's value as text.
 * @param {number} value @param {string} unit
 */
function valueText(value, unit) {
  if (unit === 'CPUs') return value.toFixed(2) + ' CPUs';
  if (unit === 's/s') return value.toFixed(2) + ' s a second';
  if (unit === 'bytes') return amount(value, 'bytes');
  if (unit === 'bytes/s') return amount(value, 'bytes') + '/s';
  if (unit === '/s') return (value < 10 ? value.toFixed(1) : amount(value, '')) + '/s';
  return (value < 10 && value % 1 ? value.toFixed(1) : amount(value, '')) + (unit ? ' ' + (value === 1 ? unit.replace(/s$/, '') : unit) : '');
}

/** @param {number} ms */
const clock = ms => new Date(ms).toLocaleTimeString();
/**
 * How the axis writes a time: as precisely as the length of the whole asks for.
 * @param {number} length @returns {(time: any) => string}
 */
function tickText(length) {
  /** @type {any} */
  const how = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...length < 30 * 60e3 ? { second: '2-digit' } : {},
                ...length < 4e3 ? { fractionalSecondDigits: 1 } : {}, ...length > 36 * 3600e3 ? { month: 'short', day: 'numeric' } : {} };
  return time => new Date(+time).toLocaleString(undefined, how);
}
/** @param {Span} span */
const spanText = span => clock(span[0]) + ' to ' + clock(span[1]) + ' (' + amount((span[1] - span[0]) * 1e6, 'nanoseconds') + ')';
/** @param {Span | null | undefined} a @param {Span | null | undefined} b */
const same = (a, b) => a === b || Boolean(a && b && a[0] === b[0] && a[1] === b[1]);

/**
 * The outline of a track as steps, down to the ground where there is no interval.
 * @param {Track} track @param {(ms: number) => number} x @param {number} top @param {number} height
 */
function outline(track, x, top, height) {
  const y = (/** @type {number} */ v) => (top + height - height * v / (track.most || 1)).toFixed(1), ground = (top + height).toFixed(1);
  let path = '', end = -1;
  for (const p of track.points) {
    const x0 = x(p.start).toFixed(1), x1 = x(p.end).toFixed(1);
    /* Intervals follow each other with a few milliseconds between. */
    if (end < 0 || p.start - end > (p.end - p.start) / 2) path += (path ? 'V' + ground : '') + 'M' + x0 + ' ' + ground;
    path += 'V' + y(p.value) + 'H' + x0 + 'H' + x1;
    end = p.end;
  }
  return path && path + 'V' + ground;
}

class TimeLine {
  /** @param {HTMLElement} container */
  constructor(container) {
    /** @type {Selection} */
    this.selection = later;
    /** @type {Store} */
    this.store = later;
    /** @type {Profile} */
    this.profile = later;
    /** @type {Record<Which, { group: SVGElement, brush: any }>} */
    this.brushes = later;
    /** @type {SVGElement} */
    this.cursor = later;
    /** @type {Which} */
    this.which = 'span';
    /** @type {Track[]} */
    this.tracks = [];
    this.moving = false; /* a brush is moved by us, not by the reader */
    this.dragged = false; /* this drag has changed the state: it goes into one entry of the history */
    this.held = false; /* the reader drags */
    this.pending = 0;
    this.width = this.bottom = 0;
    this.drawn = '';
    this.x = scaleTime();
    this.svg = shape('svg', { class: 'lanes', 'aria-hidden': 'true' });
    this.handle = make('div', { class: 'timeline', tabIndex: 0, role: 'slider', 'aria-orientation': 'horizontal' });
    this.handle.append(this.svg);
    this.text = make('div', { class: 'span-text' });
    this.hover = make('div', { class: 'span-hover' });
    this.modes = /** @type {const} */ (['span', 'base']).map(which => {
      const button = make('button', { type: 'button', title: which === 'span' ? 'Drag over the time line to select a span' : 'Drag over the time line to select what it is compared with' },
        which === 'span' ? 'Select a span' : 'Compare with a span');
      button.onclick = () => { this.which = which; this.show(); this.handle.focus({ preventScroll: true }); };
      return button;
    });
    this.before = make('button', { type: 'button' });
    this.before.onclick = () => this.compareWithBefore();
    this.whole = make('button', { type: 'button', title: 'Select the whole time' }, 'Whole time');
    this.whole.onclick = () => this.store.set({ span: null, base: this.store.state.base?.span ? null : this.store.state.base });
    container.append(make('section', { class: 'card', 'aria-label': 'Time line' }, make('div', { class: 'bar' }, ...this.modes, this.before, this.whole, make('div', { class: 'grow' }), this.text), this.handle, this.hover));
    this.handle.addEventListener('keydown', event => this.onKey(event));
    this.svg.addEventListener('mousemove', event => this.onHover(/** @type {MouseEvent} */ (event)));
    this.svg.addEventListener('mouseleave', () => this.onHover(null));
    new ResizeObserver(() => { if (this.selection && this.handle.clientWidth !== this.width) this.draw(); }).observe(this.handle);
  }

  /** @param {Selection} selection @param {Store} store */
  update(selection, store) {
    this.selection = selection;
    this.store = store;
    const key = [selection.profile.side, selection.profile.program, selection.profile.kind, selection.type].join();
    if (key !== this.drawn || this.profile !== selection.profile) {
      this.drawn = key;
      this.profile = selection.profile;
      this.tracks = tracks(store.model.profiles.filter(p => p.program === selection.profile.program), selection.profile, selection.type, titleOf);
      this.draw();
    } else this.show();
  }

  /** @param {Which} which @returns {Span | null} */
  spanOf(which) {
    return (which === 'span' ? this.store.state.span : this.store.state.base?.span) || null;
  }

  draw() {
    const width = this.width = Math.max(200, this.handle.clientWidth || 800);
    const height = TALL + (this.tracks.length - 1) * (SMALL + GAP) + GAP + AXIS;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.setAttribute('height', String(height));
    this.x = scaleTime().domain([Math.min(...this.tracks.map(t => t.points[0].start)), Math.max(...this.tracks.map(t => t.points[t.points.length - 1].end))]).range([EDGE, width - EDGE]);
    let top = GAP;
    const lanes = this.tracks.map((track, n) => {
      const room = n ? SMALL : TALL, lane = shape('g', { class: n ? 'lane small' : 'lane' },
        shape('path', { d: outline(track, this.x, top, room) }),
        shape('text', { x: EDGE, y: top - 3 }, track.title + ', at most ' + valueText(track.most, track.unit)));
      top += room + (n ? GAP : GAP);
      return lane;
    });
    const axis = shape('g', { class: 'axis', transform: `translate(0 ${height - AXIS})` });
    this.bottom = height - AXIS;
    this.cursor = shape('line', { class: 'cursor', y1: 0, y2: this.bottom, visibility: 'hidden' });
    select(axis).call(axisBottom(this.x).ticks(Math.max(1, Math.min(width / 120, (+this.x.domain()[1] - +this.x.domain()[0]) / 1000))).tickSizeOuter(0).tickFormat(tickText(+this.x.domain()[1] - +this.x.domain()[0])));
    this.brushes = { span: this.makeBrush('span', width), base: this.makeBrush('base', width) };
    this.svg.replaceChildren(...lanes, axis, this.cursor, this.brushes.base.group, this.brushes.span.group);
    this.show();
  }

  /** @param {Which} which @param {number} width */
  makeBrush(which, width) {
    const group = shape('g', { class: 'brush ' + which }), brush = brushX().extent([[EDGE, 0], [width - EDGE, this.bottom]]);
    brush.on('start', () => { if (!this.moving) { this.dragged = false; this.held = true; } })
      .on('brush', () => this.onBrush(which)).on('end', () => this.onBrushEnd(which));
    select(group).call(brush);
    return { group, brush };
  }

  /** @param {Which} which @returns {Span | null} what the brush means */
  brushed(which) {
    const place = brushSelection(this.brushes?.[which].group);
    return place && snap(this.tracks[0].points, +this.x.invert(place[0]), +this.x.invert(place[1]));
  }

  /**
   * One change of the state a picture, however many events come.
   * @param {Which} which
   */
  onBrush(which) {
    if (this.moving || this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      const span = this.brushed(which);
      if (!span || same(span, this.spanOf(which))) return;
      this.store.dragging = true;
      this.put(which, span, true);
    });
  }

  /** @param {Which} which */
  onBrushEnd(which) {
    if (this.moving) return;
    this.held = false;
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    const span = this.brushed(which);
    /* A click beside the span is none of it. */
    this.put(which, span, true);
    if (this.store.dragging) {
      this.store.dragging = false;
      this.store.model.changed();
    } else this.show();
    if (span) announce(this.describe(which));
  }

  /** @param {Which} which @param {Span | null} span @param {boolean} drag */
  put(which, span, drag) {
    const how = { replace: drag && this.dragged };
    this.dragged = drag;
    if (which === 'span') this.store.set({ span }, how);
    else this.store.set({ base: span ? { span } : null }, how);
  }

  /** Of the whole time, the second half with the first one. An interval in the middle is in neither. */
  compareWithBefore() {
    const span = this.store.state.span, { points } = this.tracks[0], half = points.length >> 1;
    if (!span) {
      this.store.set({ span: [points[points.length - half].start, points[points.length - 1].end], base: { span: [points[0].start, points[half - 1].end] } });
      return;
    }
    const earlier = points.filter(p => p.end <= span[0]), count = points.filter(p => p.start >= span[0] && p.end <= span[1]).length;
    const first = earlier[Math.max(0, earlier.length - count)];
    if (first) this.store.set({ base: { span: [first.start, earlier[earlier.length - 1].end] } });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const { points } = this.tracks[0], now = this.spanOf(this.which), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    /** @type {Span | null | undefined} */
    let span;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) span = stepSpan(points, now, step, event.shiftKey);
    else if (event.key === 'Home') span = [points[0].start, points[0].end];
    else if (event.key === 'End') span = [points[points.length - 1].start, points[points.length - 1].end];
    else if (event.key === 'Delete' || event.key === 'Backspace') span = null;
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (!same(span, now)) this.put(this.which, /** @type {Span | null} */ (span), false);
  }

  /** @param {MouseEvent | null} event */
  onHover(event) {
    if (!event || !this.cursor) { this.hover.textContent = ''; this.cursor?.setAttribute('visibility', 'hidden'); return; }
    const place = event.clientX - this.svg.getBoundingClientRect().left, ms = +this.x.invert(place);
    const parts = this.tracks.map(track => {
      const point = track.points.find(p => p.start <= ms && ms < p.end);
      return point && track.title + ' ' + valueText(point.value, track.unit);
    });
    this.cursor.setAttribute('visibility', 'visible');
    this.cursor.setAttribute('x1', String(place));
    this.cursor.setAttribute('x2', String(place));
    this.hover.textContent = [clock(ms), ...parts].filter(Boolean).join('  ·  ');
  }

  /** @param {Which} which */
  describe(which) {
    const span = this.spanOf(which), { selection } = this;
    if (!span) return which === 'span' ? 'whole time' : 'nothing to compare with';
    if (which === 'base') return spanText(span);
    return spanText(span) + ': ' + selection.title + ' ' + amount(selection.total, selection.unit) +
      (selection.whole ? ', ' + percent(selection.total / selection.whole) + ' of all' : '');
  }

  /** What depends on the state, and not on the data. */
  show() {
    const { points } = this.tracks[0], span = this.spanOf('span'), base = this.spanOf('base');
    for (const which of /** @type {Which[]} */ (['span', 'base'])) this.place(which);
    this.modes.forEach((button, n) => button.setAttribute('aria-pressed', String((n ? 'base' : 'span') === this.which)));
    this.before.textContent = span ? 'Compare with before' : 'Compare halves';
    this.before.title = span ? 'Compare the span with the time of the same length before it' : 'Compare the second half of the time with the first half';
    this.before.disabled = span ? points[0].end > span[0] : points.length < 2;
    this.whole.disabled = !span && !base;
    this.text.textContent = (span ? spanText(span) : 'whole time') + (base ? ' compared with ' + spanText(base) : '');
    const now = this.spanOf(this.which), first = now ? points.findIndex(p => p.end > now[0]) : 0;
    for (const [name, value] of Object.entries({
      'aria-label': this.which === 'span' ? 'Span of the time line' : 'Span of the time line to compare with', 'aria-valuemin': 0,
      'aria-valuemax': points.length - 1, 'aria-valuenow': Math.max(0, first), 'aria-valuetext': this.describe(this.which),
    })) this.handle.setAttribute(name, String(value));
  }

  /**
   * Moves a brush to where the state says, unless the reader holds it.
   * @param {Which} which
   */
  place(which) {
    const { group, brush } = this.brushes[which], span = this.spanOf(which);
    group.setAttribute('pointer-events', which === this.which ? 'all' : 'none');
    group.classList.toggle('active', which === this.which);
    if (this.held) return;
    const [left, right] = this.x.range();
    const at = span && [Math.max(left, this.x(span[0])), Math.min(right, this.x(span[1]))];
    this.moving = true;
    select(group).call(brush.move, at && at[0] < at[1] ? at : null);
    this.moving = false;
  }
}

addKeys([
  { keys: ['ArrowLeft', 'ArrowRight'], where: 'On the time line', text: 'The span an interval earlier or later' },
  { keys: ['Shift+←', 'Shift+→'], where: 'On the time line', text: 'The span an interval shorter or longer' },
  { keys: ['Home', 'End'], where: 'On the time line', text: 'The first or the last interval' },
  { keys: ['Delete'], where: 'On the time line', text: 'The whole time' },
]);

/** @type {import('../model/types.js').Panel} */
export const timeline = {
  id: 'timeline', title: 'Time line', place: 'above',
  applies: profile => profile.intervals.length > 1,
  render: (container, selection, store) => kept(container, () => new TimeLine(container)).update(selection, store),
};
