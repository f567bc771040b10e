// SPDX-License-Identifier: Apache-2.0
// The thread dump: threads with the same stack together, who holds what others wait for, and deadlocks as pictures.

import { amount, count, sourceOf } from '../model/text.js';
import { threadDump } from '../model/threads.js';
import { kept, make } from './dom.js';
import { shape } from './svg.js';

/** @typedef {import('../model/types.js').Selection} Selection */
/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/types.js').Store} Store */
/** @typedef {import('../model/threads.js').Thread} Thread */
/** @typedef {import('../model/threads.js').Group} Group */
/** @typedef {import('../model/threads.js').Lock} Lock */

const NAMED = 12, SHOWN = 200;

/** @param {number} ns */
const time = ns => amount(ns, 'nanoseconds');
/** @param {Thread} t */
const nameOf = t => (t.tid ? t.tid + ' ' : '') + (t.name ? '"' + t.name + '"' : '');

/**
 * Functions of a stack, innermost first, with file and line.
 * @param {Profile} p @param {number} node
 */
function stackOf(p, node) {
  const stack = [];
  for (let at = node; at > 0; at = p.nodes.parent[at]) {
    const frame = p.nodes.frame[at], f = p.functions[p.frames.fn[frame]];
    stack.push({ name: f.name, module: f.module, where: f.file ? sourceOf({ file: f.file, line: p.frames.line[frame] || f.line }) : f.module });
  }
  return stack;
}

/**
 * The first function that is the program's: not the call that waits.
 * @param {Profile} p @param {Thread} t
 */
const placeOf = (p, t) => { const stack = stackOf(p, t.node), own = stack.find(f => f.name !== t.wait) || stack[0]; return own ? own.name : ''; };

/**
 * "lock: pthread_mutex_lock, 4.97 s, held by 26232"
 * @param {Thread} t @param {Map<string, Thread>} byNumber
 */
function stateText(t, byNumber) {
  const holder = t.holder ? byNumber.get(t.pid + ' ' + t.holder) : undefined;
  return [t.state + (t.wait ? ': ' + t.wait : ''), t.waited ? time(t.waited) : '',
    t.holder ? (t.state === 'join' ? 'of ' : 'held by ') + (holder ? nameOf(holder) : t.holder) : ''].filter(Boolean).join(', ');
}

/**
 * A circle of threads, each with an arrow to the one that it waits for.
 * @param {Thread[]} circle
 */
function drawCircle(circle) {
  const n = circle.length, width = 420, height = n < 3 ? 110 : 260, cx = width / 2, cy = height / 2, rx = 140, ry = n < 3 ? 0 : 90, w = 116, h = 34;
  const at = circle.map((_, i) => { const angle = Math.PI * (2 * i / n - (n < 3 ? 1 : .5)); return { x: cx + rx * Math.cos(angle), y: cy + ry * Math.sin(angle) }; });
  const arrow = shape('marker', { id: 'deadlock-arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: 'auto' }, shape('path', { d: 'M0 0L8 4L0 8z', class: 'arrow-head' }));
  const lines = n < 2 ? [] : at.map((from, i) => {
    const to = at[(i + 1) % n], dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy) || 1;
    /* The arrow ends at the box's edge, and bends, so that two between the same boxes are two. */
    const cut = Math.min(w / 2 / (Math.abs(dx) / length || 1e-9), h / 2 / (Math.abs(dy) / length || 1e-9)) + 4, bend = n < 3 ? 34 : 12;
    const mx = (from.x + to.x) / 2 + bend * dy / length, my = (from.y + to.y) / 2 - bend * dx / length;
    const x0 = from.x + dx / length * cut, y0 = from.y + dy / length * cut, x1 = to.x - dx / length * cut, y1 = to.y - dy / length * cut;
    return shape('path', { d: `M${x0} ${y0}Q${mx} ${my} ${x1} ${y1}`, class: 'arrow', 'marker-end': 'url(#deadlock-arrow)' });
  });
  const boxes = circle.map((t, i) => shape('g', {}, shape('rect', { x: at[i].x - w / 2, y: at[i].y - h / 2, width: w, height: h, rx: 6, class: 'box' }),
    shape('text', { x: at[i].x, y: at[i].y - 2, 'text-anchor': 'middle' }, (t.name || 'thread').slice(0, 16)),
    shape('text', { x: at[i].x, y: at[i].y + 12, 'text-anchor': 'middle', class: 'dim' }, t.waited ? 'waits ' + time(t.waited) : String(t.tid))));
  return shape('svg', { class: 'deadlock-picture', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': circleText(circle) }, shape('defs', {}, arrow), ...lines, ...boxes);
}

/** @param {Thread[]} circle */
const circleText = circle => 'Deadlock in process ' + circle[0].pid + ': ' + circle.map(t => nameOf(t) + ' waits for ').join('') + nameOf(circle[0]);

/** @param {Profile} p @param {Thread[]} circle @param {Map<string, Thread>} byNumber */
const circleBox = (p, circle, byNumber) => make('section', { class: 'deadlock' }, make('h2', {}, 'Deadlock in process ' + circle[0].pid),
  /** @type {any} */ (drawCircle(circle)), make('ul', {}, ...circle.map(t => make('li', {}, make('b', {}, nameOf(t)), ' in ', make('code', {}, placeOf(p, t)), ': ' + stateText(t, byNumber)))));

/** @param {Thread[]} threads */
const names = threads => threads.slice(0, NAMED).map(nameOf).filter(Boolean).join(', ') + (threads.length > NAMED ? ' and ' + (threads.length - NAMED) + ' more' : '');

/** @param {string[]} head @param {HTMLElement[][]} rows @param {string} caption */
const table = (head, rows, caption) => make('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': caption }, make('table', { class: 'functions dump' },
  make('caption', {}, caption), make('thead', {}, make('tr', {}, ...head.map(text => make('th', { class: 'left', scope: 'col' }, text)))),
  make('tbody', {}, ...rows.map(cells => make('tr', {}, ...cells)))));
/** @param {string | Node} content @param {string} [name] */
const cell = (content, name = 'left') => make('td', { class: name }, content);

/** @param {Profile} p @param {Lock} lock @param {Map<string, Thread>} byNumber */
const lockRow = (p, lock, byNumber) => [
  cell(lock.holder ? nameOf(lock.holder) : String(lock.tid)), cell(lock.holder ? placeOf(p, lock.holder) : '', 'left code'),
  cell(lock.holder ? stateText(lock.holder, byNumber) : 'not in this dump'), cell(String(lock.waiters.length), ''), cell(time(lock.longest), ''),
  cell(names(lock.waiters)), cell([...new Set(lock.waiters.map(t => placeOf(p, t)))].slice(0, 4).join(', '), 'left code'),
];

/** @param {Profile} p @param {Group} group @param {Map<string, Thread>} byNumber */
function groupRow(p, group, byNumber) {
  const stack = stackOf(p, group.node), details = make('details', {}, make('summary', { class: 'code' }, stack.slice(0, 3).map(f => f.name).join(' ‹ ') || '(no stack)'));
  /* A dump may have a thousand stacks: each is made when somebody opens it. */
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return;
    details.append(make('ol', { class: 'stack' }, ...stack.map(f => make('li', {}, f.name, ' ', make('small', {}, f.where)))),
      make('ul', { class: 'members' }, ...group.threads.filter(t => t.tid || t.name).slice(0, SHOWN).map(t => make('li', {}, nameOf(t) + (t.pid ? ' of process ' + t.pid : '') + (t.state ? ' [' + stateText(t, byNumber) + ']' : '') +
        Object.entries(t.labels).map(([key, value]) => ' ' + key + '=' + value).join('')))));
  });
  return [cell(count(group.count), ''), cell(group.state), cell(group.longest ? time(group.longest) : '', ''), cell(details), cell(names(group.threads))];
}

/** @param {HTMLElement} container @param {Selection} s @param {Store} _store */
function render(container, s, _store) {
  const p = s.profile, dump = threadDump(p, s.weight), byNumber = new Map(dump.threads.filter(t => t.tid).map(t => [t.pid + ' ' + t.tid, t]));
  const place = kept(container, () => { const element = make('div', { class: 'threads' }); container.append(element); return element; });
  const waiting = dump.threads.filter(t => t.state === 'lock'), longest = waiting.reduce((most, t) => Math.max(most, t.waited), 0);
  const matched = s.matched, groups = matched ? dump.groups.filter(g => stackNodes(p, g.node).some(fn => matched[fn])) : dump.groups;
  place.replaceChildren(
    make('p', { class: 'summary' }, count(dump.total) + ' threads in ' + dump.groups.length + (dump.groups.length === 1 ? ' group' : ' groups') +
      (waiting.length ? '. ' + waiting.length + (waiting.length === 1 ? ' waits' : ' wait') + ' for a lock, the longest for ' + time(longest) : '') +
      (dump.circles.length ? '. There ' + (dump.circles.length === 1 ? 'is a deadlock.' : 'are ' + dump.circles.length + ' deadlocks.') : '.')),
    ...dump.circles.map(circle => circleBox(p, circle, byNumber)));
  if (dump.locks.length) place.append(table(['Holder', 'Where it is', 'What it does', 'Waiters', 'Longest', 'Who waits', 'Where they wait'], dump.locks.map(lock => lockRow(p, lock, byNumber)), 'Locks that threads wait for'));
  place.append(table(['Threads', 'State', 'Longest wait', 'Stack, innermost first', 'Names'], groups.slice(0, SHOWN).map(group => groupRow(p, group, byNumber)), 'Threads with the same stack'));
  if (groups.length > SHOWN) place.append(make('p', { class: 'hint' }, (groups.length - SHOWN) + ' smaller groups are not shown. Filters make the list shorter.'));
}

/** @param {Profile} p @param {number} node */
function stackNodes(p, node) {
  const list = [];
  for (let at = node; at > 0; at = p.nodes.parent[at]) list.push(p.frames.fn[p.nodes.frame[at]]);
  return list;
}

/** @type {import('../model/types.js').View} */
export const threads = { id: 'threads', title: 'Threads', applies: profile => profile.kind === 'threads' || profile.kind === 'goroutine', render };
