// SPDX-License-Identifier: Apache-2.0
/**
 * What the time line draws: for each profile and type, one point an interval. Amounts become rates (CPU time
 * per second is CPUs, bytes become bytes a second); states (live bytes, threads) stay what they were at the
 * interval's end.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {{start: number, end: number, value: number, total: number}} Point  ms; value: what is drawn
 * @typedef {{key: string, kind: string, type: number, title: string, unit: string, points: Point[], most: number}} Track
 *   unit: of the values, such as "CPUs", "bytes", "bytes/s", "/s", "threads"
 */
import { isState } from './text.js';

/** @param {Profile} profile @param {number} type */
function unitOf(profile, type) {
  const { type: name, unit } = profile.types[type];
  if (isState(profile, type)) return unit === 'bytes' ? 'bytes' : name === 'threads' ? 'threads' : '';
  if (unit === 'nanoseconds') return name === 'cpu' ? 'CPUs' : name === 'wall' || name === 'off_cpu' ? 'threads' : 's/s';
  return unit === 'bytes' ? 'bytes/s' : '/s';
}

/**
 * Intervals of one profile in the order of time. Those that several processes or pieces of one push have in
 * common are one.
 * @param {Profile} profile
 */
export function spansOf(profile) {
  /** @type {Map<number, {start: number, end: number, members: number[]}>} */
  const byStart = new Map();
  profile.intervals.forEach((interval, n) => {
    const span = byStart.get(interval.start);
    if (span) {
      span.members.push(n);
      span.end = Math.max(span.end, interval.end);
    } else byStart.set(interval.start, { start: interval.start, end: interval.end, members: [n] });
  });
  return [...byStart.values()].sort((a, b) => a.start - b.start);
}

/**
 * @param {Profile} profile @param {number} type @param {string} title
 * @returns {Track}
 */
export function track(profile, type, title) {
  const { type: name, unit } = profile.types[type], state = isState(profile, type);
  const points = spansOf(profile).map(({ start, end, members }) => {
    const total = members.reduce((sum, n) => sum + profile.intervals[n].totals[type], 0);
    const seconds = Math.max(end - start, 1) / 1000;
    return { start, end, total, value: state ? total : (unit === 'nanoseconds' ? total / 1e9 : total) / seconds };
  });
  const most = points.reduce((max, p) => Math.max(max, p.value), 0);
  return { key: profile.kind + '/' + name, kind: profile.kind, type, title, unit: unitOf(profile, type), points, most };
}

/**
 * The tracks of a program: that of the chosen type first, then what every question needs beside it: CPU,
 * memory in use, threads. The others are there for the list.
 * @param {Profile[]} profiles @param {Profile} chosen @param {number} type
 * @param {(profile: Profile, type: number) => string} titleOf
 * @returns {Track[]}
 */
export function tracks(profiles, chosen, type, titleOf) {
  const list = [track(chosen, type, titleOf(chosen, type))];
  for (const key of ['cpu/cpu', 'memory/inuse_space', 'threads/threads']) {
    const [kind, name] = key.split('/');
    const profile = profiles.find(p => p.kind === kind && p.side === chosen.side && p.intervals.length);
    const n = profile ? profile.types.findIndex(t => t.type === name) : -1;
    if (profile && n >= 0 && key !== list[0].key) list.push(track(profile, n, titleOf(profile, n)));
  }
  return list.filter(t => t.points.length);
}

/**
 * The span that a brush from one time to the other means: whole intervals, at least one. An interval belongs to it
 * if its middle does.
 * @param {Point[]} points @param {number} from @param {number} to
 * @returns {[number, number] | null}
 */
export function snap(points, from, to) {
  if (!points.length) return null;
  const inside = points.filter(p => (p.start + p.end) / 2 >= from && (p.start + p.end) / 2 <= to);
  if (inside.length) return [inside[0].start, inside[inside.length - 1].end];
  const middle = (from + to) / 2;
  const nearest = points.reduce((best, p) =>
    Math.abs((p.start + p.end) / 2 - middle) < Math.abs((best.start + best.end) / 2 - middle) ? p : best);
  return [nearest.start, nearest.end];
}

/**
 * A span one interval later or earlier, or one larger or smaller at its end: what the arrow keys do.
 * @param {Point[]} points @param {[number, number] | null} span @param {number} step -1 or 1
 * @param {boolean} grow only the end moves
 * @returns {[number, number] | null}
 */
export function stepSpan(points, span, step, grow) {
  if (!points.length) return null;
  if (!span) {
    const p = points[step > 0 ? 0 : points.length - 1];
    return [p.start, p.end];
  }
  /* An interval may end a millisecond behind the start of the next one, so their middles count. */
  let first = points.findIndex(p => p.start + p.end > 2 * span[0]), last = points.length - 1;
  while (last > 0 && points[last].start + points[last].end > 2 * span[1]) last--;
  first = first < 0 ? last : first;
  const next = last + step;
  if (next < 0 || next >= points.length || (grow ? next < first : first + step < 0)) return span;
  if (!grow) first += step;
  return [points[first].start, points[next].end];
}
