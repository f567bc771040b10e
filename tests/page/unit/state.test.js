// SPDX-License-Identifier: Apache-2.0
// The state in the URL, selections by filters, and the trees that they are shown in.
import assert from 'node:assert/strict';
import test from 'node:test';

import { calleesOf, callees, callersOf, callersOfAll } from '../../../report/model/graph.js';
import { found, matcher } from '../../../report/model/search.js';
import { amount, percent, shorten, titleOf } from '../../../report/model/text.js';
import { Trie } from '../../../report/model/trie.js';
import { fromHash, initial, toHash } from '../../../report/state/state.js';
import { makeProfile, select } from './make.js';

const profile = () => makeProfile(['main;work;read 10 | thread=a pid=1', 'main;work;work;write 5 | thread=b pid=1', 'main;libc!malloc 3 | thread=a pid=2 user=x']);
const draw = (s, n, indent = '') => (n.fn < 0 ? 'all' : s.tree.functions[n.fn].name) + ' ' + n.value + n.kids().map(k => '\n' + indent + ' ' + draw(s, k, indent + ' ')).join('');

test('a state survives the URL', () => {
  const state = { ...initial, program: 'a&b=c', kind: 'cpu', type: 1, span: [1000, 2000], base: { thread: 'x y' }, hide: 'a|b', collapse: true, process: 7, search: '#?' };
  assert.deepEqual(fromHash('#' + toHash(state)), state);
  assert.equal(toHash(initial), '');
  for (const base of [{ span: [1, 2] }, { label: 'a=b:c' }, { side: 1 }]) assert.deepEqual(fromHash(toHash({ ...initial, base })).base, base);
});

test('a URL of anybody makes no state of another type', () => {
  assert.deepEqual(fromHash('#__proto__=1&constructor=2&type=x&span=9-1&base=q:1&collapse=maybe&norm=evil&process=-'), initial);
});

test('filters', () => {
  const p = profile(), total = patch => select(p, patch).total;
  assert.equal(total({}), 18);
  assert.equal(total({ thread: 'a' }), 13);
  assert.equal(total({ process: 2 }), 3);
  assert.equal(total({ label: 'user=x' }), 3);
  assert.equal(total({ module: 'libc' }), 3);
  assert.equal(total({ focus: '^wor' }), 15);
  assert.equal(total({ focus: 'rea[' }), 0);
  assert.equal(select(p, { thread: 'a' }).whole, 18);
});

test('trees', () => {
  const p = profile(), shown = patch => { const s = select(p, patch); return draw(s, callees(s)); };
  assert.equal(shown({}), 'all 18\n main 18\n  work 15\n   read 10\n   work 5\n    write 5\n  malloc 3');
  assert.equal(shown({ collapse: true }), 'all 18\n main 18\n  work 15\n   read 10\n   write 5\n  malloc 3');
  assert.equal(shown({ hide: '^(main|work)$' }), 'all 18\n read 10\n write 5\n malloc 3');
  assert.equal(shown({ group: 'thread' }), 'all 18\n a 13\n  main 13\n   work 10\n    read 10\n   malloc 3\n b 5\n  main 5\n   work 5\n    work 5\n     write 5');
});

test('callers, and one function from both sides', () => {
  const p = profile(), s = select(p, {}), work = p.functions.findIndex(f => f.name === 'work');
  assert.equal(draw(s, callersOfAll(s)).split('\n').slice(0, 4).join('\n'), 'all 18\n read 10\n  work 10\n   main 10');
  assert.equal(draw(s, callersOf(s, work)), 'work 15\n main 15');
  assert.equal(draw(s, calleesOf(s, work)), 'work 15\n read 10\n work 5\n  write 5');
});

test('search', () => {
  const p = profile(), hits = (search, regex = false) => found(select(p, { search, regex }));
  assert.deepEqual([hits('WOR').value, hits('=work').functions, hits('module:libc').value, hits('^r.*d$', true).value], [15, 1, 3, 10]);
  assert.equal(hits(''), null);
  assert.equal(matcher('[', true).error, 'not a regular expression');
  assert.equal(matcher('[', false).error, '');
});

test('a trie finds each child again, of many and of few', () => {
  const trie = new Trie(2), ids = [], parentOf = i => i % 7 ? 0 : i && ids[Math.floor(i / 3)];
  for (let i = 0; i < 5000; i++) ids.push(trie.get(parentOf(i), i));
  for (let i = 0; i < 5000; i++) assert.equal(trie.get(parentOf(i), i), ids[i]);
  const { parent } = trie.columns();
  assert.ok(parent.every((up, n) => up < n));
});

test('words and numbers', () => {
  assert.equal(amount(1536, 'bytes'), '1.50 KiB');
  assert.equal(amount(61e9, 'nanoseconds'), '1 min 1 s');
  assert.equal(amount(-2.5e6, 'nanoseconds'), '-2.50 ms');
  assert.equal(amount(1234567, 'count'), '1\u202f234\u202f567');
  assert.equal(percent(.05), '5.00\u202f%');
  assert.equal(percent(1), '100\u202f%');
  assert.equal(shorten('std::vector<int, std::allocator<int>>::push_back(int&&)'), 'std::vector<…>::push_back');
  assert.equal(shorten('main.(*Server).serve'), 'main.(*Server).serve');
  assert.equal(titleOf({ kind: 'off_cpu', types: [{ type: 'off_cpu', unit: '' }] }, 0), 'Off CPU');
});
