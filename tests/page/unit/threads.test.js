// SPDX-License-Identifier: Apache-2.0
// The thread dump: groups, locks, and circles of threads that wait for each other.
import assert from 'node:assert/strict';
import test from 'node:test';

import { threadDump } from '../../../report/model/threads.js';
import { makeProfile } from './make.js';

const dumpOf = lines => {
  const profile = makeProfile(lines, { kind: 'threads', types: 'threads/count' });
  return threadDump(profile, profile.samples.values[0]);
};
const waits = (tid, holder, state = 'lock') =>
  `start;worker;pthread_mutex_lock 1 | pid=7 tid=${tid} thread=t${tid} state=${state} wait=pthread_mutex_lock waited=${tid}000 waits_for=${holder}`;
const tids = circles => circles.map(circle => circle.map(t => t.tid));

test('threads of one stack and state are a group, the longest wait first', () => {
  const dump = dumpOf([waits(2, 9), waits(3, 9), 'start;loop 1 | pid=7 tid=9 thread=t9 state=running', 'start;loop 5']);
  assert.deepEqual(dump.groups.map(g => [g.count, g.state, g.threads.map(t => t.tid)]), [[5, '', [0]], [2, 'lock', [3, 2]], [1, 'running', [9]]]);
  assert.equal(dump.total, 8);
  assert.equal(dump.groups[1].longest, 3000);
});

test('locks: the holder, those who wait for him, and no joins', () => {
  const dump = dumpOf([waits(2, 9), waits(3, 9), waits(4, 5), waits(6, 9, 'join'), 'start;loop 1 | pid=7 tid=9 thread=t9 state=running']);
  assert.deepEqual(dump.locks.map(l => [l.tid, l.holder && l.holder.name, l.waiters.map(t => t.tid), l.longest]),
    [[9, 't9', [3, 2], 3000], [5, null, [4], 4000]]);
});

test('a deadlock is found, from its lowest number on, and none where there is none', () => {
  assert.deepEqual(tids(dumpOf([waits(1, 3, 'join'), waits(5, 4), waits(3, 5), waits(4, 3)]).circles), [[3, 5, 4]]);
  assert.deepEqual(tids(dumpOf([waits(1, 2), waits(2, 3), waits(3, 9)]).circles), []);
  assert.deepEqual(tids(dumpOf([waits(1, 1), waits(2, 3), waits(3, 2)]).circles), [[1], [2, 3]]);
});

test('the same numbers in two processes are two threads', () => {
  assert.deepEqual(tids(dumpOf([waits(1, 2), waits(2, 1).replace('pid=7', 'pid=8')]).circles), []);
});

test('labels of the program are kept apart from those of the dump', () => {
  const [thread] = dumpOf(['main 1 | pid=7 tid=1 thread=t state=io endpoint=/pay']).threads;
  assert.deepEqual(thread.labels, { endpoint: '/pay' });
});
