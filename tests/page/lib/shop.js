// SPDX-License-Identifier: Apache-2.0
// A session that nobody ran: the directory that cprof writes for a program "shop", of which each number is known. Six intervals
// of ten seconds; in the last three, price() takes twice as long, and cache_put() keeps what it allocates.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pprof } from './pprof.js';

export const START = Date.UTC(2026, 2, 1, 12, 0, 0), INTERVAL = 10, INTERVALS = 6;
const MAIN = 'main|/usr/bin/shop|/src/shop/main.c|12', SERVE = 'serve(std::vector<order> const&)|/usr/bin/shop|/src/shop/serve.cc|40';
const ORDER = 'handle_order|/usr/bin/shop|/src/shop/order.c|88', LIBC = '/usr/lib/x86_64-linux-gnu/libc.so.6';
const call = (name, module = '/usr/bin/shop', file = '/src/shop/' + name + '.c', line = 7) => `${name}|${module}|${file}|${line}`;
const worker = { thread: 'worker', pid: 4711 }, main = { thread: 'shop', pid: 4711 };
const pay = { ...worker, endpoint: '/pay' }, cart = { ...worker, endpoint: '/cart' };

/** Per kind: types, and what an interval has; late is 0 in the first half, 1 in the second. */
export const KINDS = {
  cpu: {
    types: [['samples', 'count'], ['cpu', 'nanoseconds']], default: 'cpu', period: [10000000, 'cpu', 'nanoseconds'],
    samples: late => [
      [[MAIN, SERVE, ORDER, call('parse_json', '/usr/lib/x86_64-linux-gnu/libjson-c.so.5')], 100, cart],
      [[MAIN, SERVE, ORDER, call('price')], late ? 200 : 100, pay],
      [[MAIN, SERVE, ORDER, call('price'), call('price'), call('round_cents')], 20, pay],
      [[MAIN, SERVE, call('compress', '/usr/lib/x86_64-linux-gnu/libz.so.1', '')], 50, main],
    ].map(([stack, n, labels]) => ({ stack, values: [n, n * 10000000], labels })),
  },
  memory: {
    types: [['alloc_objects', 'count'], ['alloc_space', 'bytes'], ['inuse_objects', 'count'], ['inuse_space', 'bytes']],
    default: 'inuse_space', period: [524288, 'space', 'bytes'],
    samples: late => [
      [[MAIN, SERVE, ORDER, call('malloc', LIBC, '')], [1000, 64000, 0, 0], cart],
      [[MAIN, SERVE, call('cache_put'), call('malloc', LIBC, '')], late ? [500, 4096000, 500, 4096000] : [10, 81920, 10, 81920], pay],
      [[MAIN, call('read_config'), call('calloc', LIBC, '')], [1, 1048576, 1, 1048576], main],
    ].map(([stack, values, labels]) => ({ stack, values, labels: { ...labels, bytes: values[1] / values[0] } })),
  },
  mutex: {
    types: [['contentions', 'count'], ['delay', 'nanoseconds']], default: 'delay', period: [1, 'contentions', 'count'],
    samples: late => [{ stack: [MAIN, SERVE, ORDER, call('pthread_mutex_unlock', LIBC, '')], values: [40 + 40 * late, 2000000000 * (1 + late)], labels: pay }],
  },
  block: {
    types: [['contentions', 'count'], ['delay', 'nanoseconds']], default: 'delay', period: [1, 'contentions', 'count'],
    samples: late => [
      { stack: [MAIN, SERVE, ORDER, call('pthread_mutex_lock', LIBC, '')], values: [40 + 40 * late, 2000000000 * (1 + late)], labels: cart },
      { stack: [MAIN, SERVE, call('epoll_wait', LIBC, '')], values: [100, 5000000000], labels: main },
    ],
  },
  wall: {
    types: [['samples', 'count'], ['wall', 'nanoseconds']], default: 'wall', period: [100000000, 'wall', 'nanoseconds'],
    samples: () => [
      { stack: [MAIN, SERVE, call('epoll_wait', LIBC, '')], values: [60, 6000000000], labels: main },
      { stack: [MAIN, SERVE, ORDER, call('price')], values: [100, 10000000000], labels: pay },
    ],
  },
  off_cpu: {
    types: [['samples', 'count'], ['off_cpu', 'nanoseconds']], default: 'off_cpu', period: [100000000, 'wall', 'nanoseconds'],
    samples: () => [{ stack: [MAIN, SERVE, call('epoll_wait', LIBC, '')], values: [60, 6000000000], labels: main }],
  },
  threads: {
    types: [['threads', 'count']], default: 'threads', period: [1, 'threads', 'count'],
    samples: late => [
      { stack: [MAIN, SERVE, call('epoll_wait', LIBC, '')], values: [1], labels: main },
      { stack: [MAIN, SERVE, ORDER, call('pthread_mutex_lock', LIBC, '')], values: [3 + late], labels: worker },
    ],
  },
  threadcreate: {
    types: [['threadcreate', 'count']], default: 'threadcreate', period: [1, 'threadcreate', 'count'],
    samples: () => [{ stack: [MAIN, call('start_workers'), call('pthread_create', LIBC, '')], values: [4], labels: main }],
  },
};
export const COMMENTS = ['cprof 1.2.3', 'threads.txt is not part of this', 'lost samples: 0'];

/** How cprof names the files of an interval: 20260301T120000.000Z. */
export const stamp = ms => new Date(ms).toISOString().replace(/[-:]/g, '');
const key = s => JSON.stringify([s.stack, s.labels]);
/** The sum of profiles, as the whole session's file has it; threads are those of the last. */
export function sum(kind, lists) {
  if (kind === 'threads') return lists.at(-1);
  const all = new Map();
  for (const s of lists.flat()) {
    const old = all.get(key(s));
    if (old) old.values = old.values.map((v, i) => v + s.values[i]);
    else all.set(key(s), { ...s, values: [...s.values] });
  }
  return [...all.values()];
}
/** The samples of intervals [from, to) of a kind. */
export const between = (kind, from, to) =>
  sum(kind, Array.from({ length: to - from }, (_, i) => KINDS[kind].samples(+(from + i >= INTERVALS / 2))));
export const total = (samples, type) => samples.reduce((n, s) => n + s.values[type], 0);

/**
 * Writes the directory.
 * @param {string} out
 * @param {{intervals?: boolean, kinds?: string[], change?: (kind: string, samples: any[]) => any[]}} [options]
 */
export function writeShop(out, { intervals = true, kinds = Object.keys(KINDS), change = (_, s) => s } = {}) {
  const directory = path.join(out, 'shop');
  mkdirSync(path.join(directory, 'intervals'), { recursive: true });
  writeFileSync(path.join(directory, '.cprof'), 'program shop\nservice shop\nlabels \n');
  for (const kind of kinds) {
    const { types, period } = KINDS[kind], head = { types, period, default: KINDS[kind].default, comments: COMMENTS };
    const write = (name, samples, start, seconds) =>
      writeFileSync(path.join(directory, name), pprof({ ...head, start, seconds, samples: change(kind, samples) }));
    write(kind + '.pb.gz', between(kind, 0, INTERVALS), START, INTERVAL * INTERVALS);
    for (let i = 0; intervals && i < INTERVALS; i++) {
      const start = START + i * INTERVAL * 1000;
      write(`intervals/${stamp(start)}-${kind}.pb.gz`, between(kind, i, i + 1), start, INTERVAL);
    }
  }
  return directory;
}
