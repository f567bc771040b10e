// SPDX-License-Identifier: Apache-2.0
// Which changes are chance: the numbers of analysis/diff, by hand.
import assert from 'node:assert/strict';
import test from 'node:test';

import { align } from '../../../report/model/align.js';
import { functionRows } from '../../../report/model/functions.js';
import { Comparison, levelOfList, sampleVariance, samplingOf } from '../../../report/model/compare.js';
import { makeProfile, select } from './make.js';
import { initial } from '../../../report/state/state.js';

const TYPES = { types: 'samples/count cpu/nanoseconds' };
const compare = (base, now, patch = {}) => {
  const profile = align(makeProfile(base, TYPES), makeProfile(now, TYPES), 'old');
  const state = { ...initial, type: 1, base: { side: 1 }, norm: 'none', ...patch }, comparison = new Comparison(select(profile, state), state);
  const name = row => profile.functions[row.fn].name;
  return { comparison, rows: Object.fromEntries(comparison.functions().map(row => [name(row), row])) };
};

test('twice as many samples are a change, a tenth more of few are not', () => {
  const { rows } = compare(['main;a 100 1000000000', 'main;b 100 1000000000'], ['main;a 200 2000000000', 'main;b 110 1100000000']);
  assert.ok(rows.a.ofOwn.significant);
  assert.ok(!rows.b.ofOwn.significant);
  assert.equal(rows.b.ofOwn.delta, 1e8);
});

test('of many samples, an eighth is a change, and six percent are what two runs may differ by', () => {
  const many = k => ['main;a ' + k + ' ' + k * 1e7, 'main;b 1000000 10000000000000'];
  assert.ok(compare(many(100000), many(112500)).rows.a.ofOwn.significant);
  assert.ok(!compare(many(100000), many(106000)).rows.a.ofOwn.significant);
  assert.ok(!compare(many(1000), many(1030)).rows.a.ofOwn.significant);
});

test('of one run a side, three points of the total are a change, whatever the speed of the machine was', () => {
  const part = (a, rest) => ['main;a ' + a + ' ' + a * 1e7, 'main;b ' + rest + ' ' + rest * 1e7];
  assert.ok(compare(part(15000, 15000), part(15900, 14100)).rows.a.ofOwn.significant);
  assert.ok(!compare(part(15000, 15000), part(15900, 15900)).rows.a.ofOwn.significant);
  assert.ok(!compare(part(15000, 15000), part(15000, 13200)).rows.a.ofOwn.significant);
});

test('by share, a program that does twice the work has not changed', () => {
  const { rows } = compare(['main;a 100 1000000000', 'main;b 300 3000000000'], ['main;a 200 2000000000', 'main;b 600 6000000000'], { norm: 'total' });
  assert.deepEqual([rows.a.ofOwn.delta, rows.b.ofOwn.delta, rows.main.ofTotal.significant], [0, 0, false]);
});

test('what was never seen on one side is a change if it is seen often on the other', () => {
  const { rows } = compare(['main;a 1000 10000000000'], ['main;a 1000 10000000000', 'main;b 2 20000000', 'main;c 50 500000000']);
  assert.ok(!rows.b.ofOwn.significant);
  assert.ok(rows.c.ofOwn.significant);
});

test('changes beyond the error come first, the largest first', () => {
  const { comparison } = compare(['main;a 10 100000000', 'main;b 1000 10000000000', 'main;c 1000 10000000000'],
    ['main;a 15 150000000', 'main;b 1500 15000000000', 'main;c 100 1000000000']);
  const names = comparison.functions().map(row => comparison.s.tree.functions[row.fn].name);
  assert.deepEqual(names.slice(0, 2), ['c', 'b']);
  const stacks = comparison.stacks();
  assert.deepEqual(stacks.map(row => row.value - row.base), [-9e9, 5e9, 5e7]);
  assert.equal(stacks[2].change.significant, false);
});

test('the variance of a sample, by what is sampled', () => {
  const memory = makeProfile(['main 1 2'], { kind: 'memory', types: 'alloc_objects/count alloc_space/bytes', period: { value: 524288, type: 'space', unit: 'bytes' } });
  const bytes = samplingOf(memory, 1);
  assert.equal(bytes.rule, 'bytes');
  /* Small blocks: bytes x period. Large ones are all seen. */
  assert.ok(Math.abs(sampleVariance(bytes, 16e6, 1e6) / (16e6 * 524288) - 1) < 1e-4);
  assert.ok(sampleVariance(bytes, 1e9, 10) < 1);
  const lock = makeProfile(['main 1 2'], { kind: 'mutex', types: 'contentions/count delay/nanoseconds' });
  assert.equal(sampleVariance(samplingOf(lock, 1), 100, 4), 5000);
  assert.equal(samplingOf(makeProfile(['main 1'], { kind: 'threads', types: 'threads/count' }), 0).rule, 'none');
});

test('the level grows with the list', () => {
  assert.equal(levelOfList(1), 3);
  assert.ok(Math.abs(levelOfList(1000) - 4.056) < 0.01);
});

test('what is in use is compared as it is: a leak is no share', () => {
  const heap = lines => makeProfile(lines, { kind: 'memory', types: 'inuse_objects/count inuse_space/bytes', period: { value: 512, type: 'space', unit: 'bytes' } });
  const profile = align(heap(['main;a 10 1000000']), heap(['main;a 10 1000000', 'main;leak 10000 3000000']), 'old');
  const s = select(profile, { type: 1, base: { side: 1 }, norm: 'total' });
  assert.equal(s.baseTotal, 1000000);
});

test('two spans of one run have no scatter of runs: three percent of many samples are a change', () => {
  const profile = makeProfile(['main;a 0 0', 'main;b 0 0'], { ...TYPES, intervals: [{ 0: [100000, 1e12], 1: [1e6, 1e13] }, { 0: [103000, 1.03e12], 1: [1e6, 1e13] }] });
  const state = { ...initial, type: 1, span: [1000, 2000], base: { span: [0, 1000] }, norm: 'none' }, comparison = new Comparison(select(profile, state), state);
  const a = comparison.functions().find(row => profile.functions[row.fn].name === 'a');
  assert.ok(a.ofOwn.significant);
  assert.equal(a.ofOwn.delta, 3e10);
});

test('without a choice, spans are brought to the same time, and all else is compared as it is', () => {
  const profile = makeProfile(['main;a 300 | thread=x', 'main;b 100 | thread=y'], { types: 'cpu/nanoseconds', intervals: [{ 0: [100] }, { 0: [200] }] });
  profile.intervals[1].end = 3000;
  assert.equal(select(profile, { span: [1000, 3000], base: { span: [0, 1000] } }).baseTotal, 200);
  assert.equal(select(profile, { span: [1000, 3000], base: { span: [0, 1000] }, norm: 'none' }).baseTotal, 100);
  assert.equal(select(profile, { thread: 'x', base: { thread: 'y' } }).baseTotal, 100);
});

test('a profile of differences has rows, also where they are negative', () => {
  const rows = functionRows(select(makeProfile(['main;a 5', 'main;b -20']), {}));
  assert.deepEqual(rows.map(row => [row.fn, row.own, row.total]), [[0, 0, -15], [1, 5, 5], [2, -20, -20]]);
});
