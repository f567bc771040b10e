// SPDX-License-Identifier: Apache-2.0
// pprof files as they are read, of anybody and damaged in every way.
import assert from 'node:assert/strict';
import test from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';

import { unpack } from '../../../report/data/gzip.js';
import { guessKind, load } from '../../../report/data/load.js';
import { decode } from '../../../report/data/pprof.js';
import { pprof } from '../lib/pprof.js';

const CPU = { types: [['samples', 'count'], ['cpu', 'nanoseconds']], default: 'cpu', period: [10000000, 'cpu', 'nanoseconds'] };
const sample = (stack, value, labels) => ({ stack: stack.split(';'), values: [value, value * 1e7], labels });
const file = (bytes, more = {}) => ({ side: 0, program: 'shop', service: 'shop', kind: 'cpu', part: 'whole', start: 0, end: 0, name: 'cpu.pb.gz', bytes, ...more });
const bytesOf = profile => new Uint8Array(pprof(profile));

/** Each stack of a profile with its values, as text. */
function stacks(profile, values = profile.samples.values) {
  return profile.samples.node.length ? [...profile.samples.node].map((leaf, i) => {
    const names = [];
    for (let n = leaf; n > 0; n = profile.nodes.parent[n]) names.unshift(profile.functions[profile.frames.fn[profile.nodes.frame[n]]].name);
    return names.join(';') + ' ' + values.map(v => v[i]).join(' ');
  }).sort() : [];
}

test('a profile is what was written', async () => {
  const bytes = bytesOf({ ...CPU, start: Date.UTC(2026, 0, 2), seconds: 3, comments: ['lost 3 samples'], samples: [
    sample('main;work|/lib/x.so|/src/x.c|7', 3, { thread: 'worker', pid: 77, tenant: 'a' }), sample('main', 2, { thread: 'main', pid: 77 })] });
  const { profiles: [p], problems } = await load([file(bytes)]);
  assert.deepEqual(problems, []);
  assert.deepEqual(stacks(p), ['main 2 20000000', 'main;work 3 30000000']);
  assert.equal(p.types[p.defaultType].type, 'cpu');
  assert.deepEqual([p.start, p.end], [Date.UTC(2026, 0, 2), Date.UTC(2026, 0, 2) + 3000]);
  assert.deepEqual(p.comments, ['lost 3 samples']);
  const work = p.functions.find(f => f.name === 'work');
  assert.deepEqual([work.module, work.file], ['x.so', '/src/x.c']);
  assert.deepEqual(p.sets.find(s => s.thread === 'worker'), { thread: 'worker', pid: 77, labels: { tenant: 'a' } });
});

test('intervals share the tables of the whole', async () => {
  const whole = bytesOf({ ...CPU, start: 1e6, seconds: 30, samples: [sample('main;a', 5), sample('main;b', 1)] });
  const first = bytesOf({ ...CPU, start: 1e6, seconds: 15, samples: [sample('main;a', 2)] });
  const second = bytesOf({ ...CPU, start: 1e6 + 15000, seconds: 15, samples: [sample('main;b', 1), sample('main;a', 3)] });
  const { profiles: [p] } = await load([file(second, { part: 'interval' }), file(whole), file(first, { part: 'interval' })]);
  assert.deepEqual(stacks(p), ['main;a 5 50000000', 'main;b 1 10000000']);
  assert.deepEqual(p.intervals.map(i => [i.start, i.totals[0]]), [[1e6, 2], [1e6 + 15000, 4]]);
  const dense = p.samples.values.map((_, v) => { const d = new Float64Array(p.samples.node.length); p.intervals.forEach(i => i.sample.forEach((s, k) => { d[s] += i.values[v][k]; })); return d; });
  assert.deepEqual(stacks(p, dense), stacks(p));
});

test('without a file of the whole, intervals are added up', async () => {
  const part = n => file(bytesOf({ ...CPU, start: n * 1000 + 1, seconds: 1, samples: [sample('main;a', n)] }), { part: 'interval' });
  const { profiles: [p] } = await load([part(1), part(2)]);
  assert.deepEqual(stacks(p), ['main;a 3 30000000']);
});

test('negative values and large ones', async () => {
  const { profiles: [p] } = await load([file(bytesOf({ ...CPU, samples: [{ stack: ['main'], values: [-3, 2 ** 52] }] }))]);
  assert.deepEqual(stacks(p), ['main -3 4503599627370496']);
});

test('kinds of files that do not say theirs', () => {
  const of = (...types) => ({ types: types.map(type => ({ type })) });
  assert.equal(guessKind('x', of('samples', 'cpu')), 'cpu');
  assert.equal(guessKind('heap.pb.gz', of('alloc_objects', 'inuse_space')), 'memory');
  assert.equal(guessKind('mutex.out', of('contentions', 'delay')), 'mutex');
  assert.equal(guessKind('x', of('contentions', 'delay')), 'block');
  assert.equal(guessKind('a/20261129T153202.786Z-off_cpu.pb.gz', of('samples')), 'off_cpu');
  assert.equal(guessKind('x', of('goroutine')), 'threads');
  assert.equal(guessKind('x', of('requests')), 'requests');
});

test('what is no profile is a problem and not an exception', async () => {
  const good = bytesOf({ ...CPU, samples: [sample('main', 1)] });
  const bad = [new Uint8Array(0), new TextEncoder().encode('<html>hello</html>'), good.subarray(0, good.length - 9), new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2, 3])];
  const { profiles, problems } = await load([...bad.map(b => file(b)), file(good)]);
  assert.equal(problems.length, bad.length);
  assert.deepEqual(stacks(profiles[0]), ['main 1 10000000']);
});

test('a gzip file that unpacks to too much is refused', async () => {
  await assert.rejects(unpack(new Uint8Array(gzipSync(Buffer.alloc(3 << 20))), 1 << 20), /larger than 1 MiB/);
});

test('no byte makes the reader hang or fail in another way than by an Error', () => {
  const whole = new Uint8Array(gunzipSync(pprof({ ...CPU, comments: ['c'], samples: [sample('main;a;b', 1, { thread: 't', pid: 3 })] })));
  let seed = 1;
  const random = n => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  for (let i = 0; i < 20000; i++) {
    const bytes = whole.slice(0, i % 3 ? whole.length : random(whole.length));
    for (let k = 0; k < 1 + i % 4; k++) if (bytes.length) bytes[random(bytes.length)] = random(256);
    try { decode(bytes); } catch (error) { assert.match(error.message, /^(cut off in the middle|not a pprof profile)$/); }
  }
});

test('functions without a name are told apart by where they begin, if the file says it', async () => {
  const samples = [['@0x1010|/lib/a.so', '@0x1520|/lib/a.so'], ['@0x1088|/lib/a.so', '@0x90|/lib/a.so'], ['@0x1010|/lib/b.so']].map((stack, i) => ({ stack: ['main', ...stack], values: [1, 10 ** i] }));
  const names = async starts => {
    const { profiles } = await load([{ side: 0, program: 'p', service: 'p', kind: 'cpu', part: 'whole', start: 0, end: 0, name: 'f', bytes: pprof({ ...CPU, samples, starts }) }]);
    return stacks(profiles[0]);
  };
  assert.deepEqual(await names(['@0x1500|/lib/a.so', '@0x1000|/lib/a.so']),
    ['main;[b.so] 1 100', 'main;a.so+0x1000;[a.so] 1 10', 'main;a.so+0x1000;a.so+0x1500 1 1']);
  assert.deepEqual(await names([]), ['main;[a.so];[a.so] 2 11', 'main;[b.so] 1 100']);
});
