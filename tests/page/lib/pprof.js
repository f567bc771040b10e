// SPDX-License-Identifier: Apache-2.0
// Writes pprof files, so that a test knows each number of what it opens.
import { gzipSync } from 'node:zlib';

const varint = n => {
  const bytes = [];
  if (typeof n === 'number' && n >= 0 && n < 128) return [n];
  let rest = BigInt.asUintN(64, BigInt(n));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return bytes;
};
const number = (field, n) => [...varint(field << 3), ...varint(n)];
/** @param {number} field @param {Uint8Array | number[]} bytes */
const bytes = (field, bytes) => Buffer.concat([Buffer.from([...varint(field << 3 | 2), ...varint(bytes.length)]), Buffer.from(bytes)]);

/**
 * @param {{types: [string, string][], default?: string, period?: [number, string, string], start?: number, seconds?: number,
 *   comments?: string[], starts?: string[], samples: {stack: string[], values: number[], labels?: Record<string, string | number>}[]}} profile
 *   start in ms; a stack is root first, each "function" or "function|module|file|line", or "@address|module" of one without a
 *   name; starts are places like the last ones that no sample has
 */
export function pprof(profile) {
  const strings = [''], index = new Map([['', 0]]);
  const text = s => index.get(s) ?? (strings.push(s), index.set(s, strings.length - 1), strings.length - 1);
  const parts = [], tables = [], locations = new Map(), functions = new Map(), mappings = new Map();
  const mapping = module => {
    if (!mappings.has(module)) {
      const id = mappings.size + 1;
      mappings.set(module, id);
      tables.push(bytes(3, [...number(1, id), ...number(2, id * 0x100000), ...number(3, id * 0x100000 + 0xfffff), ...number(5, text(module)), ...number(7, 1)]));
    }
    return mappings.get(module);
  };
  const location = frame => {
    if (locations.has(frame)) return locations.get(frame);
    const [name, module = '/usr/bin/shop', file = '', line = '0'] = frame.split('|');
    if (name.startsWith('@')) {
      const id = locations.size + 1;
      locations.set(frame, id);
      tables.push(bytes(4, [...number(1, id), ...number(2, mapping(module)), ...number(3, Number(name.slice(1)))]));
      return id;
    }
    const key = name + '|' + module + '|' + file;
    if (!functions.has(key)) {
      functions.set(key, functions.size + 1);
      tables.push(bytes(5, [...number(1, functions.size), ...number(2, text(name)), ...number(3, text(name)), ...number(4, text(file))]));
    }
    const id = locations.size + 1;
    locations.set(frame, id);
    tables.push(bytes(4, [...number(1, id), ...number(2, mapping(module)), ...number(3, mapping(module) * 0x100000 + id),
      ...bytes(4, [...number(1, functions.get(key)), ...number(2, line)])]));
    return id;
  };
  const type = ([name, unit]) => [...number(1, text(name)), ...number(2, text(unit))];
  for (const t of profile.types) parts.push(bytes(1, type(t)));
  for (const { stack, values, labels = {} } of profile.samples) {
    const ids = stack.map(location).reverse().flatMap(varint);
    const label = Object.entries(labels).map(([k, v]) =>
      bytes(3, typeof v === 'number' ? [...number(1, text(k)), ...number(3, v)] : [...number(1, text(k)), ...number(2, text(v))]));
    parts.push(bytes(2, Buffer.concat([bytes(1, ids), bytes(2, values.flatMap(varint)), ...label])));
  }
  for (const place of profile.starts ?? []) location(place);
  parts.push(...tables);
  for (const comment of profile.comments ?? []) parts.push(Buffer.from(number(13, text(comment))));
  if (profile.start) parts.push(Buffer.from(number(9, BigInt(profile.start) * 1000000n)));
  if (profile.seconds) parts.push(Buffer.from(number(10, BigInt(Math.round(profile.seconds * 1e9)))));
  if (profile.period) parts.push(bytes(11, type(profile.period.slice(1))), Buffer.from(number(12, profile.period[0])));
  if (profile.default) parts.push(Buffer.from(number(14, text(profile.default))));
  for (const s of strings) parts.push(bytes(6, Buffer.from(s)));
  return gzipSync(Buffer.concat(parts));
}
