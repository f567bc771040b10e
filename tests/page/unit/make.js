// SPDX-License-Identifier: Apache-2.0
// Profiles for tests, from lines like those of folded stacks: "main;work;read 10 2000", and of labels behind "|".

import { select as selectOf } from '../../../report/model/select.js';
import { initial } from '../../../report/state/state.js';

/**
 * @param {string[]} lines "outermost;...;innermost value value | key=value key=value"; a frame is name, or module!name
 * @param {{kind?: string, types?: string, side?: number, start?: number, end?: number, period?: object,
 *   intervals?: Record<string, number[]>[]}} [options] types: "cpu/nanoseconds samples/count"
 * @returns {import('../../../report/model/types.js').Profile}
 */
export function makeProfile(lines, options = {}) {
  const types = (options.types || 'cpu/nanoseconds').split(' ').map(t => ({ type: t.split('/')[0], unit: t.split('/')[1] }));
  const functions = [], byName = new Map(), parent = [-1], frame = [-1], byNode = new Map(), sets = [], bySet = new Map();
  const node = [], set = [], values = types.map(() => []);
  const number = (map, key, make) => {
    if (!map.has(key)) map.set(key, make());
    return map.get(key);
  };
  for (const line of lines) {
    const [left, right = ''] = line.split(' | '), [stack, ...numbers] = left.trimEnd().split(' ');
    let at = 0;
    for (const text of stack ? stack.split(';') : []) {
      const [module, name] = text.includes('!') ? text.split('!') : ['prog', text];
      const fn = number(byName, text, () => functions.push({ name, module, file: name + '.c', line: 1 }) - 1);
      const up = at;
      at = number(byNode, up + ' ' + fn, () => { frame.push(fn); return parent.push(up) - 1; });
    }
    const labels = Object.fromEntries(right.split(' ').filter(Boolean).map(pair => pair.split('=')));
    node.push(at);
    set.push(number(bySet, right, () => sets.push({ thread: labels.thread || '', pid: +labels.pid || 0, labels }) - 1));
    types.forEach((_, t) => values[t].push(+numbers[t] || 0));
  }
  return {
    kind: options.kind || 'cpu', side: options.side || 0, program: 'prog', service: 'prog', types, defaultType: 0,
    period: options.period || { value: 1e7, type: 'cpu', unit: 'nanoseconds' }, start: options.start || 0, end: options.end || 10000, comments: [],
    functions, frames: { fn: Int32Array.from(functions.keys()), line: new Int32Array(functions.length), inlined: new Uint8Array(functions.length) },
    nodes: { parent: Int32Array.from(parent), frame: Int32Array.from(frame) },
    samples: { node: Int32Array.from(node), set: Int32Array.from(set), values: values.map(v => Float64Array.from(v)) },
    sets, intervals: (options.intervals || []).map((samples, i) => {
      const sample = Int32Array.from(Object.keys(samples).map(Number));
      const own = types.map((_, t) => Float64Array.from(Object.values(samples), v => v[t] || 0));
      return { start: i * 1000, end: i * 1000 + 1000, sample, values: own, totals: own.map(v => v.reduce((a, b) => a + b, 0)) };
    }),
  };
}

/** Without filters. */
export const select = (profile, patch = {}) => selectOf(profile, { ...initial, ...patch });
