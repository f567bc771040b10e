// SPDX-License-Identifier: Apache-2.0
// A profile with many distinct stacks, for the figures of docs/report.md: `node big.js DIRECTORY [STACKS] [INTERVALS]`.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { pprof } from './pprof.js';
import { stamp } from './shop.js';

/** The same numbers each time (a linear congruence), between 0 and 1. */
function generator(seed) {
  return () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296;
}

/**
 * Stacks of 12 to 50 frames out of 6000 functions. Each one leaves an earlier one at a random depth, as stacks of programs do.
 * @param {number} count
 */
export function stacks(count) {
  const random = generator(1), all = new Map();
  let last = ['main'];
  while (all.size < count) {
    const keep = Math.max(1, Math.floor(last.length * (1 - random() ** 2))), depth = 12 + Math.floor(random() * 38);
    const stack = last.slice(0, keep);
    while (stack.length < depth) {
      const n = Math.floor(random() ** 2 * 6000);
      stack.push(`${n % 3 ? 'ns' + n % 40 + '::' : ''}function_${n}|/usr/lib/lib${n % 25}.so|/src/${n % 300}.cc|${n % 900 + 1}`);
    }
    all.set(stack.join('\n'), { stack, values: [1 + Math.floor(random() * 20), 0], labels: { thread: 'worker-' + all.size % 16, pid: 77 } });
    last = stack;
  }
  return [...all.values()].map(s => ({ ...s, values: [s.values[0], s.values[0] * 10000000] }));
}

export function writeBig(out, count = 100000, intervals = 40) {
  const directory = path.join(out, 'big'), start = Date.UTC(2026, 2, 1), all = stacks(count), random = generator(2);
  const head = { types: [['samples', 'count'], ['cpu', 'nanoseconds']], default: 'cpu', period: [10000000, 'cpu', 'nanoseconds'] };
  mkdirSync(path.join(directory, 'intervals'), { recursive: true });
  writeFileSync(path.join(directory, '.cprof'), 'program big\nservice big\nlabels \n');
  writeFileSync(path.join(directory, 'cpu.pb.gz'), pprof({ ...head, start, seconds: 15 * intervals, samples: all }));
  for (let i = 0; i < intervals; i++) {
    const samples = all.filter(() => random() < 1 / intervals);
    writeFileSync(path.join(directory, 'intervals', `${stamp(start + i * 15000)}-cpu.pb.gz`),
      pprof({ ...head, start: start + i * 15000, seconds: 15, samples }));
  }
  return directory;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeBig(process.argv[2], +(process.argv[3] || 100000), +(process.argv[4] || 40));
