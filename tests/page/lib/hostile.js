// SPDX-License-Identifier: Apache-2.0
// Profiles that somebody made to harm who looks at them, or that are just odd. Everything in them is text for a page.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { pprof } from './pprof.js';

export const NAMES = ['<script>window.harmed=1</script>', '<img src=x onerror="window.harmed=1">', '</script><script>window.harmed=1</script>',
  '<!--<script>', '"><svg onload=window.harmed=1>', '\u202egnp.exe\u202c', 'مرحبا::دالة(int)', 'javascript:window.harmed=1', '__proto__',
  'constructor', 'hasOwnProperty', ' ', 'tab\tand\nline\r\0zero', 'e\u0301\u0302\u0303'.repeat(40), '\u{1f525}'.repeat(30), 'a'.repeat(20000),
  'template<' + 'x<'.repeat(300) + '>'.repeat(300) + '>', '&lt;b&gt;&amp;', '${window.harmed=1}', '\u2028window.harmed=1;\u2029//', ']]><script>window.harmed=1</script>', "'; window.harmed=1; '"];

/** @type {Uint8Array | null} */
let packed = null;
const bomb = () => packed ??= gzipSync(Buffer.alloc(800 << 20), { level: 1 });

/** @returns {Record<string, Uint8Array>} files by name; those that begin with "bad" cannot be read */
export function hostile() {
  const head = { types: [['samples', 'count'], ['cpu', 'nanoseconds']], default: 'cpu', period: [10000000, 'cpu', 'nanoseconds'] };
  const sample = (stack, n, labels = {}) => ({ stack, values: [n, n * 10000000], labels });
  const one = name => `${name.replaceAll('|', '/')}|${name.replaceAll('|', '/')}|${name.replaceAll('|', '/')}|1`;
  const names = pprof({ ...head, comments: NAMES, samples: NAMES.map((name, i) => sample(['main', one(name)], 10 + i,
    { thread: name, [i === 8 ? '__proto__' : 'key' + i]: name, pid: i })) });
  const whole = pprof({ ...head, samples: [sample(['main', 'f'], 5)] });
  return {
    'names.pprof': names,
    'deep.pprof': pprof({ ...head, samples: [sample(Array.from({ length: 3000 }, (_, i) => 'f' + i % 7), 1)] }),
    'empty.pprof': pprof({ ...head, samples: [] }),
    'large.pprof': pprof({ ...head, samples: [sample(['main', 'f'], 1), { stack: ['g'], values: [1, 9223372036854775807n] }] }),
    'negative.pprof': pprof({ ...head, samples: [sample(['main', 'f'], 5), sample(['main', 'g'], -2)] }),
    'bad-cut.pprof': whole.subarray(0, whole.length >> 1),
    'bad-noise.pprof': Uint8Array.from({ length: 4000 }, (_, i) => i * 73 % 251),
    /* A thousand times as large when unpacked; a length beyond the end; a sample of many places that are not there. */
    'bad-bomb.pprof': bomb(),
    'bad-length.pprof': Uint8Array.from([0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
    'bad-ids.pprof': gzipSync(Buffer.concat([Buffer.from([0x12, 0x80, 0x80, 0x80, 0x10, 0x0a, 0xfb, 0xff, 0xff, 0x0f]), Buffer.alloc(32 << 20, 0xff)])),
    'bad-text.pprof': Buffer.from('this is no profile\n'),
  };
}

export function writeHostile(out) {
  mkdirSync(out, { recursive: true });
  for (const [name, data] of Object.entries(hostile())) writeFileSync(path.join(out, name), data);
}
