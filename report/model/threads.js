// SPDX-License-Identifier: Apache-2.0
/**
 * The threads profile as a dump: who stands where, who waits for whom, and who waits in a circle.
 *
 * Each sample is one thread, with labels for its number (tid), state, the function it waits in (wait), for how long
 * (waited), and the thread that has what it waits for (waits_for). Threads of processes that ended are summed up and
 * have no number.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {{sample: number, node: number, pid: number, tid: number, name: string, state: string, wait: string,
 *   waited: number, holder: number, count: number, labels: Record<string, string>}} Thread  waited in ns
 * @typedef {{node: number, state: string, count: number, longest: number, threads: Thread[]}} Group
 * @typedef {{holder: Thread | null, pid: number, tid: number, waiters: Thread[], longest: number}} Lock
 * @typedef {{threads: Thread[], groups: Group[], locks: Lock[], circles: Thread[][], total: number}} Dump
 */

const KNOWN = new Set(['pid', 'tid', 'thread', 'state', 'wait', 'waited', 'waits_for']);

/** @param {string | undefined} text */
const number = text => parseInt(text || '0', 10) || 0;

/** @param {Profile} profile @param {ArrayLike<number>} weight per sample @returns {Thread[]} */
export function listThreads(profile, weight) {
  /** @type {Thread[]} */
  const list = [];
  for (let i = 0; i < profile.samples.node.length; i++) {
    if (!(weight[i] > 0)) continue;
    const set = profile.sets[profile.samples.set[i]], labels = set.labels;
    list.push({
      sample: i, node: profile.samples.node[i], pid: set.pid || number(labels.pid), tid: number(labels.tid),
      name: set.thread || labels.thread || '', state: labels.state || '', wait: labels.wait || '', waited: number(labels.waited),
      holder: number(labels.waits_for), count: weight[i],
      labels: Object.fromEntries(Object.entries(labels).filter(([key]) => !KNOWN.has(key))),
    });
  }
  return list;
}

/** @param {Thread} a @param {Thread} b */
const byWait = (a, b) => b.waited - a.waited || a.pid - b.pid || a.tid - b.tid;

/**
 * Threads with the same stack and state, the largest group first.
 * @param {Thread[]} threads @returns {Group[]}
 */
export function groupThreads(threads) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const thread of threads) {
    const key = thread.node + ' ' + thread.state;
    const group = groups.get(key) || { node: thread.node, state: thread.state, count: 0, longest: 0, threads: [] };
    groups.set(key, group);
    group.threads.push(thread);
    group.count += thread.count;
    group.longest = Math.max(group.longest, thread.waited);
  }
  const list = [...groups.values()].sort((a, b) => b.count - a.count || b.longest - a.longest);
  list.forEach(group => group.threads.sort(byWait));
  return list;
}

/** @param {Thread[]} threads */
function byNumber(threads) {
  return new Map(threads.filter(t => t.tid).map(t => [t.pid + ' ' + t.tid, t]));
}

/**
 * Who has what others wait for: a lock, or a thread that is joined. The one with the most waiters first.
 * @param {Thread[]} threads @returns {Lock[]}
 */
export function listLocks(threads) {
  const known = byNumber(threads);
  /** @type {Map<string, Lock>} */
  const locks = new Map();
  for (const thread of threads) {
    if (!thread.holder || thread.state === 'join') continue;
    const key = thread.pid + ' ' + thread.holder;
    const lock = locks.get(key) || { holder: known.get(key) || null, pid: thread.pid, tid: thread.holder, waiters: [], longest: 0 };
    locks.set(key, lock);
    lock.waiters.push(thread);
    lock.longest = Math.max(lock.longest, thread.waited);
  }
  const list = [...locks.values()].sort((a, b) => b.waiters.length - a.waiters.length || b.longest - a.longest);
  list.forEach(lock => lock.waiters.sort(byWait));
  return list;
}

/**
 * Each thread waits for one other at most. So whoever comes back on his way to where he was is in a circle, and
 * every thread is looked at once.
 * @param {Thread[]} threads @returns {Thread[][]} each from its lowest number on, in the order of waiting
 */
export function findCircles(threads) {
  const known = byNumber(threads);
  /** @type {Map<Thread, Thread>} */
  const way = new Map();
  /** @type {Thread[][]} */
  const circles = [];
  for (const start of threads) {
    /** @type {Thread | undefined} */
    let at = start;
    while (at && !way.has(at)) {
      way.set(at, start);
      at = at.holder ? known.get(at.pid + ' ' + at.holder) : undefined;
    }
    if (!at || way.get(at) !== start) continue;
    const circle = [at];
    for (let next = known.get(at.pid + ' ' + at.holder); next && next !== at; next = known.get(at.pid + ' ' + next.holder)) circle.push(next);
    const first = circle.reduce((least, t, i) => t.tid < circle[least].tid ? i : least, 0);
    circles.push([...circle.slice(first), ...circle.slice(0, first)]);
  }
  return circles;
}

/** @param {Profile} profile @param {ArrayLike<number>} weight @returns {Dump} */
export function threadDump(profile, weight) {
  const threads = listThreads(profile, weight);
  return {
    threads, groups: groupThreads(threads), locks: listLocks(threads), circles: findCircles(threads),
    total: threads.reduce((sum, t) => sum + t.count, 0),
  };
}
