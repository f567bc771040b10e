// SPDX-License-Identifier: Apache-2.0
// A page that follows a session: what is new is added, states are replaced, a server that is gone is asked again.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Live } from '../../../report/data/live.js';
import { pprof } from '../lib/pprof.js';

const memory = [['alloc_space', 'bytes'], ['inuse_space', 'bytes']];

/** A file as the server sends it. */
function file(part, start, end, samples, kind = 'memory', types = memory) {
  const data = pprof({ types, samples: samples.map(([name, ...values]) => ({ stack: ['main', name], values })) });
  return { program: 'shop', service: 'shop', kind, part, start, end, name: kind + '.pb.gz', data: Buffer.from(data).toString('base64') };
}

const answer = (now, files, more = {}) => ({ session: '@s', since: 1000, now, ended: false, more: false, files, ...more });

/** Turns of a page whose server answers so; each turn's profiles. An Error is thrown. */
async function follow(...answers) {
  const live = new Live('./', { search: '?program=shop&other=1', every: 1e6, ask: async url => {
    asked.push(url);
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  } });
  const asked = [], turns = [];
  live.onprofiles = profiles => { turns.push(profiles); };
  while (answers.length) {
    await live.turn();
    clearTimeout(live.timer);
  }
  return { live, asked, turns };
}

const total = (profile, type) => profile.samples.values[type].reduce((a, b) => a + b, 0);

test('sums grow, states are as they are now, intervals make the time line', async () => {
  const { live, asked, turns } = await follow(
    answer(3000, [file('whole', 1000, 3000, [['a', 100, 40], ['b', 10, 0]]), file('interval', 1000, 3000, [['a', 100, 40], ['b', 10, 0]])]),
    answer(5000, [file('interval', 3000, 5000, [['a', 5, 30], ['c', 7, 7]])]));
  assert.match(asked[0], /^\.\/live\?tab=[a-z0-9]+&program=shop$/);
  assert.equal(asked[0], asked[1]);
  assert.deepEqual([total(turns[0][0], 0), total(turns[0][0], 1)], [110, 40]);
  assert.deepEqual([total(turns[1][0], 0), total(turns[1][0], 1)], [122, 37]);
  assert.deepEqual(turns[1][0].intervals.map(i => [i.start, i.end, ...i.totals]), [[1000, 3000, 110, 40], [3000, 5000, 12, 37]]);
  assert.equal(live.state, 'on');
  assert.equal(live.now, 5000);
});

test('intervals of before the page was opened are in the time line, and count once', async () => {
  const { turns } = await follow(
    answer(9000, [file('whole', 1000, 9000, [['a', 10, 3]]), file('interval', 7000, 9000, [['a', 1, 3]]), file('interval', 4000, 7000, [['a', 5, 2]]), file('interval', 1000, 4000, [['a', 4, 1]])]),
    answer(14000, [file('interval', 9001, 14000, [['a', 2, 1]])]));
  assert.deepEqual(turns[0][0].intervals.map(i => [i.start, ...i.totals]), [[1000, 4, 1], [4000, 5, 2], [7000, 1, 3]]);
  assert.deepEqual([total(turns[0][0], 0), total(turns[0][0], 1)], [10, 3]);
  assert.deepEqual(turns[1][0].intervals.map(i => i.totals[0]), [4, 5, 1, 2]);
  assert.deepEqual([total(turns[1][0], 0), total(turns[1][0], 1)], [12, 1]);
});

test('after a pause, intervals of the server replace those of the same time, and others stay', async () => {
  const { turns } = await follow(
    answer(2000, [file('whole', 1000, 2000, [['a', 1, 1]]), file('interval', 1000, 2000, [['a', 1, 1]])]),
    answer(7000, [file('interval', 2000, 7000, [['a', 2, 1]])]), answer(12000, [file('interval', 7000, 12000, [['a', 3, 1]])]), new Error('no way there'),
    answer(40000, [file('whole', 1000, 40000, [['a', 60, 1]]), file('interval', 7000, 22000, [['a', 30, 1]]), file('interval', 22000, 40000, [['a', 27, 1]])]));
  assert.deepEqual(turns.at(-1)[0].intervals.map(i => [i.start, i.totals[0]]), [[1000, 1], [2000, 2], [7000, 30], [22000, 27]]);
  assert.equal(total(turns.at(-1)[0], 0), 60);
});

test('an answer in several pieces is one frame', async () => {
  const { asked, turns } = await follow(answer(2000, [file('whole', 1000, 2000, [['a', 1, 1]])], { more: true }),
    answer(2000, [file('whole', 1000, 2000, [['a', 3]], 'cpu', [['cpu', 'nanoseconds']])]));
  assert.equal(asked.length, 2);
  assert.deepEqual(turns.map(profiles => profiles.map(p => p.kind)), [['cpu', 'memory']]);
});

test('a server that is gone is asked again, and the whole replaces what was known', async () => {
  const { live, turns } = await follow(answer(2000, [file('whole', 1000, 2000, [['a', 100, 1]])]), new Error('no way there'),
    answer(9000, [file('whole', 1000, 9000, [['a', 150, 2]])]));
  assert.equal(live.state, 'on');
  assert.deepEqual(turns.map(profiles => total(profiles[0], 0)), [100, 150]);
  const gone = await follow(new Error('no way there'));
  assert.equal(gone.live.state, 'gone');
  assert.equal(gone.live.error, 'no way there');
});

test('another session begins anew, an ended one stays', async () => {
  const { live, turns } = await follow(answer(2000, [file('whole', 1000, 2000, [['a', 100, 1]])]),
    answer(4000, [file('whole', 3000, 4000, [['z', 1, 1]])], { since: 3000 }), answer(5000, [], { ended: true }));
  assert.deepEqual(turns.map(profiles => total(profiles[0], 0)), [100, 1]);
  assert.equal(live.state, 'ended');
});

test('what is no answer is an error', async () => {
  assert.equal((await follow({ files: 'x' })).live.state, 'gone');
  assert.equal((await follow(null)).live.state, 'gone');
  const { turns, live } = await follow(answer(2000, [{ ...file('whole', 1, 2, [['a', 1, 1]]), data: 'AAAA' }]));
  assert.equal(turns[0].length, 0);
  assert.equal(live.loader.problems.length, 1);
});

test('a page that is open for long joins old intervals', async () => {
  const answers = [answer(1000, [file('whole', 0, 1000, [['a', 1, 5]]), file('interval', 0, 1000, [['a', 1, 5]])])];
  for (let n = 1; n <= 490; n++) answers.push(answer(1000 + 10 * n, [file('interval', 1000 + 10 * n, 1010 + 10 * n, [['a', 1, n]])]));
  const { turns } = await follow(...answers), [profile] = turns[turns.length - 1];
  assert.ok(profile.intervals.length < 480);
  assert.equal(profile.intervals.reduce((sum, i) => sum + i.totals[0], 0), 491);
  assert.equal(total(profile, 0), 491);
  assert.equal(total(profile, 1), 490);
  assert.deepEqual([profile.intervals[0].start, profile.intervals[0].totals[1]], [0, 1]);
});

test('a pause asks nothing', async () => {
  const { live, asked } = await follow(answer(2000, [file('whole', 1000, 2000, [['a', 1, 1]])]));
  live.pause();
  assert.equal(live.state, 'paused');
  assert.equal(asked.length, 1);
});
