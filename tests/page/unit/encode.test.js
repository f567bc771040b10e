// SPDX-License-Identifier: Apache-2.0
// What is saved of what is shown: read back, it is the same.
import assert from 'node:assert/strict';
import test from 'node:test';

import { foldedOf, pprofOf } from '../../../report/data/encode.js';
import { load } from '../../../report/data/load.js';
import { makeProfile, select } from './make.js';

const profile = () => makeProfile(['main;work;read 10 | thread=a pid=1', 'main;libc!a;b 300000000000 | thread=b user=x', 'main 7'], { start: 5000, end: 8000 });

test('folded stacks', () => {
  assert.equal(foldedOf(select(profile(), {})), 'main 7\nmain;work;read 10\nmain;a;b 300000000000\n');
  assert.equal(foldedOf(select(profile(), { thread: 'a', hide: 'work' })), 'main;read 10\n');
  const odd = makeProfile(['main 1']);
  odd.functions[0].name = 'a;b\nc';
  assert.equal(foldedOf(select(odd, {})), 'a:b:c 1\n');
});

test('pprof', async () => {
  const s = select(profile(), {}), bytes = pprofOf(s, null);
  const { profiles: [back], problems } = await load([{ side: 0, program: 'x', service: 'x', kind: 'cpu', part: 'whole', start: 0, end: 0, name: 'x', bytes }]);
  assert.deepEqual(problems, []);
  assert.equal(foldedOf(select(back, {})), foldedOf(s));
  assert.deepEqual([back.start, back.end, back.types, back.period], [5000, 8000, [{ type: 'cpu', unit: 'nanoseconds' }], profile().period]);
  assert.equal(back.functions.find(f => f.name === 'a').module, 'libc');
  assert.equal(select(back, { thread: 'a' }).total, 10);
  assert.equal(select(back, { label: 'user=x' }).total, 300000000000);
});
