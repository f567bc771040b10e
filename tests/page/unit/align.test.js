// SPDX-License-Identifier: Apache-2.0
// Two profiles in one index space.
import assert from 'node:assert/strict';
import test from 'node:test';

import { align, alignAll, plainName } from '../../../report/model/align.js';
import { functionRows } from '../../../report/model/functions.js';
import { makeProfile, select } from './make.js';

const totals = (p, values) => Object.fromEntries(functionRows({ ...select(p), weight: values[0], base: null })
  .map(row => [p.functions[row.fn].name, row.total]));

test('stacks of both sides share nodes', () => {
  const both = align(makeProfile(['main;a 1', 'main;b 2']), makeProfile(['main;b 4', 'main;c 8'], { side: 1 }), 'old');
  assert.deepEqual(totals(both, both.other.values), { main: 3, a: 1, b: 2 });
  assert.deepEqual(totals(both, both.samples.values), { main: 12, b: 4, c: 8 });
  assert.equal(both.nodes.parent.length, 5);
});

test('the page compares them', () => {
  const both = align(makeProfile(['main;a 1', 'main;b 2']), makeProfile(['main;b 4', 'main;c 8']), 'old');
  const { base, total, baseTotal, baseName } = select(both, { base: { side: 1 }, norm: 'none' });
  assert.deepEqual([[...base], total, baseTotal, baseName], [[0, 0, 1, 2], 12, 3, 'old']);
  assert.equal(select(both, { base: { side: 1 }, norm: 'total' }).baseTotal, 12);
});

test('the program\'s file may have another name in the other build', () => {
  const both = align(makeProfile(['old!main;lib!read 1']), makeProfile(['new!main;lib!read 2']));
  assert.equal(both.functions.length, 2);
});

test('two libraries that both sides have keep their functions apart', () => {
  const both = align(makeProfile(['main;x!read 1', 'main;y!read 1']), makeProfile(['main;x!read 2', 'main;y!read 2']));
  assert.equal(both.functions.length, 3);
});

test('copies of a function made by the compiler are the function', () => {
  assert.equal(plainName('sum.isra.0'), 'sum');
  assert.equal(plainName('sum.constprop.1.cold'), 'sum');
  assert.equal(plainName('f(int) [clone .part.0]'), 'f(int)');
  assert.equal(plainName('a.out'), 'a.out');
  assert.equal(align(makeProfile(['main;f.isra.0 1']), makeProfile(['main;f 2'])).functions.length, 2);
});

test('other lines of a function are the same frame', () => {
  const other = makeProfile(['main;a 1']);
  other.frames.line[1] = 77;
  assert.equal(align(makeProfile(['main;a 1']), other).nodes.parent.length, 3);
});

test('types and intervals of both', () => {
  const now = makeProfile(['main 1 2'], { types: 'cpu/nanoseconds samples/count', intervals: [{ 0: [1, 2] }] });
  const base = makeProfile(['main 3'], { types: 'samples/count', intervals: [{ 0: [3] }] });
  const both = align(base, now, '');
  assert.deepEqual(both.types.map(t => t.type), ['cpu', 'samples']);
  assert.deepEqual([[...both.samples.values[1]], [...both.other.values[1]]], [[2, 0], [0, 3]]);
  assert.deepEqual(both.intervals.map(i => [i.totals, [...i.sample]]), [[[1, 2], [0]]]);
  assert.deepEqual(both.other.intervals.map(i => [i.totals, [...i.sample]]), [[[0, 3], [1]]]);
});

test('profiles find their partners', () => {
  const of = (program, kind) => Object.assign(makeProfile(['main 1'], { kind, types: kind + '/count' }), { program });
  const partners = (bases, nows) => alignAll(bases, nows, 'old').map(p => Boolean(p.other));
  assert.deepEqual(partners([of('v1', 'cpu')], [of('v2', 'cpu'), of('v2', 'wall')]), [true, false]);
  assert.deepEqual(partners([of('a', 'cpu'), of('b', 'cpu')], [of('b', 'cpu'), of('c', 'cpu')]), [true, false]);
});

test('functions without a name are one a module, as builds have them at other addresses', () => {
  const both = align(makeProfile(['main;libx!libx+0x10 5', 'main;libx!libx+0x20 1']), makeProfile(['main;libx!libx+0x30 7']), 'old');
  assert.deepEqual(both.functions.map(f => f.name).sort(), ['[libx]', 'main']);
});
