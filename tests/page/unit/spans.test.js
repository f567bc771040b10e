// SPDX-License-Identifier: Apache-2.0
// The time line's points, brushes and steps; the sizes of blocks.
import assert from 'node:assert/strict';
import test from 'node:test';

import { histogram, sizeTypes } from '../../../report/model/histogram.js';
import { snap, stepSpan, track, tracks } from '../../../report/model/timeline.js';
import { makeProfile } from './make.js';

const title = (profile, type) => profile.types[type].type;
const cpu = makeProfile(['main 3000000000 300'], { types: 'cpu/nanoseconds samples/count', intervals: [{ 0: [5e8, 50] }, {}, { 0: [25e8, 250] }] });

test('amounts are rates: CPU time is CPUs, samples are a second', () => {
  const time = track(cpu, 0, 'CPU time'), samples = track(cpu, 1, 'CPU samples');
  assert.deepEqual(time.points.map(p => p.value), [0.5, 0, 2.5]);
  assert.equal(time.unit, 'CPUs');
  assert.deepEqual(samples.points.map(p => p.value), [50, 0, 250]);
  assert.equal(time.most, 2.5);
});

test('a rate is for each second, whatever an interval takes', () => {
  const longer = makeProfile(['main 3'], { intervals: [{ 0: [3e9] }] });
  longer.intervals[0].end = longer.intervals[0].start + 15000;
  assert.deepEqual(track(longer, 0, '').points.map(p => p.value), [0.2]);
});

test('states stay what they are', () => {
  const memory = makeProfile(['main 7'], { kind: 'memory', types: 'inuse_space/bytes', intervals: [{ 0: [3] }, { 0: [7] }] });
  assert.deepEqual(track(memory, 0, '').points.map(p => p.value), [3, 7]);
  assert.equal(track(memory, 0, '').unit, 'bytes');
});

test('pieces that begin together are one interval', () => {
  const profile = makeProfile(['main 7', 'other 1'], { intervals: [{ 0: [1e9] }, { 1: [1e9] }] });
  profile.intervals[1].start = profile.intervals[0].start;
  profile.intervals[1].end = profile.intervals[0].end;
  assert.deepEqual(track(profile, 0, '').points.map(p => p.value), [2]);
});

test('the chosen type comes first, CPU, memory and threads after it', () => {
  const memory = makeProfile(['main 7 8'], { kind: 'memory', types: 'alloc_space/bytes inuse_space/bytes', intervals: [{ 0: [3, 4] }] });
  const threads = makeProfile(['main 2'], { kind: 'threads', types: 'threads/count', intervals: [{ 0: [2] }] });
  const all = [cpu, memory, threads];
  assert.deepEqual(tracks(all, memory, 0, title).map(t => t.key), ['memory/alloc_space', 'cpu/cpu', 'memory/inuse_space', 'threads/threads']);
  assert.deepEqual(tracks(all, cpu, 0, title).map(t => t.key), ['cpu/cpu', 'memory/inuse_space', 'threads/threads']);
  assert.deepEqual(tracks([makeProfile(['main 1'])], makeProfile(['main 1']), 0, title), []);
});

test('a brush means whole intervals, one at least', () => {
  const { points } = track(cpu, 0, '');
  assert.deepEqual(snap(points, 0, 3000), [0, 3000]);
  assert.deepEqual(snap(points, 400, 1600), [0, 2000]);
  assert.deepEqual(snap(points, 700, 1400), [1000, 2000]);
  assert.deepEqual(snap(points, 2900, 9000), [2000, 3000]);
  assert.equal(snap([], 0, 1), null);
});

test('arrow keys move a span by an interval and grow it at its end', () => {
  const { points } = track(cpu, 0, '');
  assert.deepEqual(stepSpan(points, null, 1, false), [0, 1000]);
  assert.deepEqual(stepSpan(points, null, -1, false), [2000, 3000]);
  assert.deepEqual(stepSpan(points, [0, 1000], 1, false), [1000, 2000]);
  assert.deepEqual(stepSpan(points, [0, 1000], -1, false), [0, 1000]);
  assert.deepEqual(stepSpan(points, [1000, 3000], 1, false), [1000, 3000]);
  assert.deepEqual(stepSpan(points, [1000, 2000], 1, true), [1000, 3000]);
  assert.deepEqual(stepSpan(points, [1000, 2000], -1, true), [1000, 2000]);
  assert.deepEqual(stepSpan(points, [0, 3000], -1, true), [0, 2000]);
  const late = points.map(p => ({ ...p, end: p.end + 1 }));
  assert.deepEqual(stepSpan(late, [1000, 2001], 1, false), [2000, 3001]);
  assert.deepEqual(stepSpan(late, [0, 1001], 1, false), [1000, 2001]);
});

test('sizes in powers of two', () => {
  const bins = histogram([10, 1, 0, 2], [160, 31, 0, 64]);
  assert.deepEqual(bins, [{ from: 16, to: 32, objects: 11, bytes: 191 }, { from: 32, to: 64, objects: 2, bytes: 64 }]);
  assert.deepEqual(histogram([1, 1], [8, 64]).map(b => [b.from, b.objects]), [[8, 1], [16, 0], [32, 0], [64, 1]]);
  assert.deepEqual(histogram([], []), []);
  assert.deepEqual(histogram([3], [0]), [{ from: 0, to: 2, objects: 3, bytes: 0 }]);
});

test('sizes are of allocated or of live blocks, and only of memory', () => {
  const memory = makeProfile(['main 1 2 3 4'], { types: 'alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes' });
  assert.deepEqual(sizeTypes(memory, 1), { objects: 0, bytes: 1 });
  assert.deepEqual(sizeTypes(memory, 2), { objects: 2, bytes: 3 });
  assert.equal(sizeTypes(cpu, 0), null);
});
