// SPDX-License-Identifier: Apache-2.0
// Sums of functions and of the sandwich, against what `go tool pprof` defines, computed stack by stack.
import assert from 'node:assert/strict';
import test from 'node:test';

import { functionRows } from '../../../report/model/functions.js';
import { Sandwich } from '../../../report/model/sandwich.js';
import { moduleShares } from '../../../report/views/colours.js';
import { makeProfile, select } from './make.js';

const STACKS = [
  'main;a;f;x 1', 'main;a;f;f;x 2', 'main;b;f;y;f;x 4', 'main;b;f 8', 'f;y 16', 'main;a;f;a;f;z 32', 'main;c 64', ' 128',
  'main;b;f;a;f;a;f;y 256',
];
const named = (profile, items) => Object.fromEntries(items.map(i => [i.fn < 0 ? '' : profile.functions[i.fn].name, i.value]));
const number = (profile, name) => profile.functions.findIndex(f => f.name === name);

/** As pprof counts: each function and each edge once a sample; a call of itself is no edge. */
function peek(stacks, name) {
  const callers = {}, callees = {};
  let cum = 0, flat = 0;
  const add = (to, key, value) => { to[key] = (to[key] || 0) + value; };
  for (const line of stacks) {
    const [text, value] = line.split(' '), frames = text.split(';').filter(Boolean);
    const edges = new Set(frames.slice(1).map((f, i) => frames[i] + ' ' + f));
    for (const edge of edges) {
      const [from, to] = edge.split(' ');
      if (from === to) continue;
      if (to === name) add(callers, from, +value);
      if (from === name) add(callees, to, +value);
    }
    cum += frames.includes(name) ? +value : 0;
    flat += frames.at(-1) === name ? +value : 0;
  }
  return { callers, callees, cum, flat };
}

test('functions: own and total, a recursive one counted once', () => {
  const selection = select(makeProfile(STACKS));
  for (const row of functionRows(selection)) {
    const { name } = selection.tree.functions[row.fn], wanted = peek(STACKS, name);
    assert.deepEqual([name, row.own, row.total], [name, wanted.flat, wanted.cum]);
  }
});

test('sandwich: callers and callees are those of pprof -peek, for every function', () => {
  const profile = makeProfile(STACKS);
  profile.functions.forEach((f, fn) => {
    const sandwich = new Sandwich(select(profile), fn), wanted = peek(STACKS, f.name);
    assert.equal(sandwich.self.value, wanted.cum, f.name);
    assert.equal(sandwich.self.own, wanted.flat, f.name);
    assert.deepEqual(named(profile, sandwich.callers()), wanted.callers, f.name);
    assert.deepEqual(named(profile, sandwich.callees()), wanted.callees, f.name);
  });
});

test('sandwich: the trees end where the function comes back', () => {
  const profile = makeProfile(STACKS), sandwich = new Sandwich(select(profile), number(profile, 'f'));
  const a = sandwich.callees().find(i => profile.functions[i.fn].name === 'a');
  assert.deepEqual(named(profile, sandwich.callees(a)), { f: 32 + 256 });
  assert.ok(sandwich.callees(a)[0].recursive);
  assert.deepEqual(sandwich.callees(sandwich.callees(a)[0]), []);
});

test('sandwich: levels above hold what came through them', () => {
  const profile = makeProfile(STACKS), sandwich = new Sandwich(select(profile), number(profile, 'x'));
  const [f] = sandwich.callers();
  assert.equal(f.value, 7);
  assert.deepEqual(named(profile, sandwich.callers(f)), { f: 2, a: 1, y: 4 });
});

test('a deep recursion costs no stack', () => {
  const profile = makeProfile(['main;' + Array(20000).fill('f').join(';') + ' 5']);
  assert.deepEqual(named(profile, new Sandwich(select(profile), number(profile, 'f')).callers()), { main: 5 });
});

test('what has no module counts for the module that called it', () => {
  const profile = makeProfile(['prog!main;libx!work;!malloc 30', 'prog!main;!malloc 10']);
  assert.deepEqual(moduleShares(select(profile, {})), [['prog', 10], ['libx', 30]]);
});
