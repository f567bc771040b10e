// SPDX-License-Identifier: Apache-2.0
// Comments of profiles, sorted.
import assert from 'node:assert/strict';
import test from 'node:test';

import { installCommand, sortComments } from '../../../report/model/facts.js';

const COMMENTS = [
  'cprof 0.1.0', 'redis-server: 1 process so far, 0 running; 22.075 s', 'cpu: 100 samples per second of CPU time and thread',
  'memory: one sample per 524288 bytes on average', 'mutex: one of 10 contentions recorded',
  'block: waits below 10000000 ns are sampled, longer ones all recorded', 'wall, off_cpu: 19 looks per second at every thread',
  '2026-11-29 15:22:36 UTC: cprof ctl: the CPU rate is 200 Hz',
  'resident 147.2 MiB: blocks in use 106.9, mapped 0.5, files 10.6, cprof 2.9, other 26.8 (free in the allocator, fragmentation, stacks)',
  '1802 CPU samples taken', '7 threads began', '3 samples lost: stack table full', '12 stacks cut at the depth limit',
  'cpu: 12 records beyond 65536 stacks went to one', '5 threads without a CPU timer: the limit of pending signals (ulimit -i) is reached',
  '0 records dropped: they made no sense',
  'no symbols, share of cpu: redis-check-rdb 1.4 % (redis-tools-dbgsym)', 'no symbols, share of cpu: own.so 0.5 %', 'no symbols: 2 more modules',
  'cost of taking samples: 44680398 ns, 0.243 % of the CPU time', 'overhead: 1.5 % of the CPU time (samples 0.243, uploader 1.25); the limit is 2 %',
  'made by somebody else',
];

test('each line has its place', () => {
  const facts = sortComments(COMMENTS);
  assert.equal(facts.made.length, 2);
  assert.equal(facts.rates.length, 5);
  assert.deepEqual(facts.losses, ['3 samples lost: stack table full']);
  assert.equal(facts.cuts.length, 3);
  assert.equal(facts.cost.length, 2);
  assert.equal(facts.settings.length, 1);
  assert.deepEqual(facts.counts, ['1802 CPU samples taken', '7 threads began']);
  assert.deepEqual(facts.other, ['made by somebody else']);
});

test('memory by what it is for', () => {
  assert.deepEqual(sortComments(COMMENTS).memory, { resident: 147.2, 'blocks in use': 106.9, mapped: 0.5, files: 10.6, cprof: 2.9, other: 26.8 });
});

test('modules without symbols, and what to install', () => {
  const { symbols, moreUnnamed } = sortComments(COMMENTS);
  assert.deepEqual(symbols[0], { of: 'cpu', module: 'redis-check-rdb', share: '1.4 %', package: 'redis-tools-dbgsym' });
  assert.equal(symbols[1].package, '');
  assert.equal(moreUnnamed, '2 more modules');
  assert.equal(installCommand(symbols), 'apt install redis-tools-dbgsym');
  assert.equal(installCommand([{ ...symbols[0], package: 'x; rm -rf /' }]), '');
});
