// SPDX-License-Identifier: Apache-2.0
// Files become profiles: those of one side, program and kind are merged into shared tables.

import { Pairs } from '../model/pairs.js';
import { isState } from '../model/text.js';
import { Trie } from '../model/trie.js';
import { unpack } from './gzip.js';
import { decode } from './pprof.js';

/** @typedef {import('../model/types.js').Profile} Profile */
/** @typedef {import('../model/types.js').DataFile} DataFile */
/** @typedef {import('../model/types.js').Interval} Interval */
/** @typedef {import('./pprof.js').Raw} Raw */

/** A stack is cut there; no more steps than that are taken for one file. Both are for files that are made to hang a page. */
const MOST_FRAMES = 4096, MOST_STEPS = 4e8;

/** Intervals of a page that follows a session; older ones are joined then. */
const MOST_FOLLOWED = 480;

/** What is kept of a program's session, in the order in which the page shows it. */
export const kinds = ['cpu', 'memory', 'mutex', 'block', 'wall', 'off_cpu', 'threads', 'threadcreate'];

/** @type {[RegExp, string][]} */
const kindsByType = [
  [/^(alloc_|inuse_)/, 'memory'], [/^off_?cpu$/, 'off_cpu'], [/^wall$/, 'wall'], [/^(cpu|itimer)$/, 'cpu'],
  [/^threadcreate$/, 'threadcreate'], [/^(threads?|goroutines?)$/, 'threads'], [/^lock_/, 'mutex'],
];

/**
 * The kind of a file that does not say it.
 * @param {string} name of the file
 * @param {{ types: { type: string }[], period?: { type: string } }} raw
 */
export function guessKind(name, raw) {
  const base = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const named = kinds.find(kind => base === kind + '.pb.gz' || base.endsWith('-' + kind + '.pb.gz'));
  if (named) return named;
  for (const [pattern, kind] of kindsByType)
    if (raw.types.some(t => pattern.test(t.type)) || (raw.period && pattern.test(raw.period.type))) return kind;
  if (raw.types.some(t => t.type === 'contentions' || t.type === 'delay')) return /mutex/.test(base) ? 'mutex' : 'block';
  return raw.types[raw.types.length - 1]?.type || 'profile';
}

/**
 * Where functions without a name begin, by the index of their module: cprof writes them as locations that no sample has
 * (uploader/pprof/encode.c). Of other files there are none, and all such functions of a module are one.
 * @param {Raw} raw
 */
function startsOf(raw) {
  const { first, module, address } = raw.locations, used = new Uint8Array(address.length), { location } = raw.samples;
  /** @type {Map<number, number[]>} */
  const starts = new Map();
  for (let i = 0; i < location.length; i++) if (location[i] >= 0) used[location[i]] = 1;
  for (let i = 0; i < address.length; i++) {
    if (used[i] || first[i] !== first[i + 1] || !raw.modules[module[i]]) continue;
    const list = starts.get(module[i]);
    if (list) list.push(address[i]);
    else starts.set(module[i], [address[i]]);
  }
  for (const list of starts.values()) list.sort((a, b) => a - b);
  return starts;
}

/**
 * "module+0xSTART", or "[module]" as pprof has it.
 * @param {string} module @param {number[] | undefined} starts @param {number} address
 */
function unnamed(module, starts, address) {
  let low = 0, high = starts ? starts.length : 0;
  while (low < high) {
    const middle = low + high >> 1;
    if (/** @type {number[]} */ (starts)[middle] <= address) low = middle + 1; else high = middle;
  }
  return low ? module + '+0x' + /** @type {number[]} */ (starts)[low - 1].toString(16) : '[' + (module || 'unknown') + ']';
}

/** Shared tables that grow by one file after the other. */
class Builder {
  /** @param {DataFile} file @param {Raw} raw @param {string} kind */
  constructor(file, raw, kind) {
    this.file = file;
    this.kind = kind;
    this.types = raw.types;
    this.defaultType = raw.defaultType;
    /** @type {import('../model/types.js').Fn[]} */
    this.functions = [];
    /** @type {Map<string, number>} */
    this.byName = new Map();
    /**
     * The first function of a name.
     * @type {Map<string, number>}
     */
    this.byPlain = new Map();
    this.frames = new Pairs(); /* fn, line * 2 + inlined */
    this.nodes = new Trie(4096); /* parent, frame */
    this.samples = new Pairs(); /* node, set */
    /** @type {import('../model/types.js').LabelSet[]} */
    this.sets = [];
    /** @type {Map<string, number>} */
    this.bySet = new Map();
    this.values = raw.types.map(() => new Float64Array(1024));
    /** @type {Profile['intervals']} */
    this.intervals = [];
    /** @type {Profile['intervals']} Those of before restart(). */
    this.before = [];
    this.hasWhole = false;
    this.wholeEnd = 0;
    this.period = raw.period;
    this.start = 0;
    this.end = 0;
    /** @type {string[]} */
    this.comments = [];
    /** @type {string[]} */
    this.problems = [];
  }

  /** @param {string} name @param {string} module @param {string} file @param {number} line */
  fn(name, module, file, line) {
    const key = name + '\t' + module, plain = this.byPlain.get(name);
    let n = this.byName.get(key);
    if (n === undefined && plain !== undefined && (!module || !this.functions[plain].module)) {
      /* What a thread waits in has no address, so no module: it is the function of that name. */
      n = plain;
      if (module) Object.assign(this.functions[n], { file, module, line });
      this.byName.set(key, n);
    }
    if (n === undefined) {
      this.byName.set(key, n = this.functions.length);
      this.functions.push({ name, file, module, line });
      if (plain === undefined) this.byPlain.set(name, n);
    }
    return n;
  }

  /**
   * Frames of each location, outermost first; all but the first are inlined.
   * @param {Raw} raw
   */
  locationFrames(raw) {
    const { first, fn, line, module, address } = raw.locations, count = address.length, starts = startsOf(raw);
    const at = new Int32Array(count + 1);
    /** @type {number[]} */
    const list = [];
    for (let i = 0; i < count; i++) {
      const name = raw.modules[module[i]] ?? '';
      let named = false;
      for (let k = first[i + 1] - 1; k >= first[i]; k--) {
        const f = raw.functions[fn[k]];
        if (!f) continue;
        named = true;
        const id = this.fn(f.name || '?', name, f.file, f.line);
        list.push(this.frames.get(id, line[k] * 2 + (k < first[i + 1] - 1 ? 1 : 0)));
      }
      if (!named) list.push(this.frames.get(this.fn(unnamed(name, starts.get(module[i]), address[i]), name, '', 0), 0));
      at[i + 1] = list.length;
    }
    return { at, list: Int32Array.from(list) };
  }

  /**
   * The builder's set of each set of the file.
   * @param {Raw} raw
   */
  setsOf(raw) {
    return raw.sets.map(list => {
      const set = { thread: '', pid: 0, labels: /** @type {Record<string, string>} */ ({}) };
      for (const { key, str, num, unit } of list) {
        if (key === 'pid' && !str) set.pid = num;
        else if (key === 'thread') set.thread = str || String(num);
        else if (key) set.labels[key] = str || num + (unit ? ' ' + unit : '');
      }
      const key = JSON.stringify([set.thread, set.pid, Object.entries(set.labels).sort()]);
      let n = this.bySet.get(key);
      if (n === undefined) {
        this.bySet.set(key, n = this.sets.length);
        this.sets.push(set);
      }
      return n;
    });
  }

  /**
   * The node of each sample of the file. Neighbours share most of their callers, so that the last path is kept.
   * @param {Raw} raw
   */
  nodesOf(raw) {
    const frames = this.locationFrames(raw), { first, location } = raw.samples, count = first.length - 1;
    const result = new Int32Array(count), nodes = this.nodes;
    let path = new Int32Array(MOST_FRAMES), last = new Int32Array(MOST_FRAMES), known = 0, steps = 0;
    for (let i = 0; i < count; i++) {
      let node = 0, depth = 0, same = true;
      for (let k = first[i + 1] - 1; k >= first[i] && depth < MOST_FRAMES; k--) {
        const l = location[k];
        if (l < 0) continue;
        for (let f = frames.at[l]; f < frames.at[l + 1] && depth < MOST_FRAMES; f++) {
          const frame = frames.list[f];
          if (same && depth < known && last[depth] === frame) node = path[depth];
          else {
            same = false;
            node = nodes.get(node, frame);
            path[depth] = node;
            last[depth] = frame;
          }
          depth++;
        }
      }
      known = depth;
      if ((steps += depth) > MOST_STEPS) throw new Error('its stacks are too many to be shown');
      result[i] = node;
    }
    return result;
  }

  /** @param {Raw} raw @param {DataFile} file */
  add(raw, file) {
    const column = this.types.map(t => raw.types.findIndex(r => r.type === t.type && r.unit === t.unit));
    const node = this.nodesOf(raw), set = this.setsOf(raw), count = node.length;
    const sample = new Int32Array(count);
    for (let i = 0; i < count; i++) sample[i] = this.samples.get(node[i], set[raw.samples.set[i]]);
    const start = file.start || raw.start, end = file.end || raw.end;
    if (file.part === 'interval') this.addInterval(raw, sample, column, start, end);
    else this.addWhole(raw, sample, column);
    this.start = this.start && start ? Math.min(this.start, start) : this.start || start;
    this.end = Math.max(this.end, end);
    if (file.part === 'whole' || !this.comments.length) for (const c of raw.comments) if (c && !this.comments.includes(c)) this.comments.push(c);
    if (file.part === 'whole' && raw.period.value) this.period = raw.period;
  }

  /** @param {Raw} raw @param {Int32Array} sample @param {number[]} column */
  addWhole(raw, sample, column) {
    this.hasWhole = true;
    this.reserve();
    column.forEach((from, to) => {
      if (from < 0) return;
      const source = raw.samples.values[from], target = this.values[to];
      for (let i = 0; i < sample.length; i++) target[sample[i]] += source[i];
    });
  }

  /** @param {Raw} raw @param {Int32Array} sample @param {number[]} column @param {number} start @param {number} end */
  addInterval(raw, sample, column, start, end) {
    const values = column.map(from => from < 0 ? new Float64Array(sample.length) : raw.samples.values[from].slice());
    const totals = values.map(list => list.reduce((sum, n) => sum + n, 0));
    this.intervals.push({ start, end, totals, sample, values });
  }

  /**
   * What was recorded since the last file, of a session that runs: the whole grows by it, states are as they are now.
   * @param {Raw} raw @param {DataFile} file
   */
  follow(raw, file) {
    this.add(raw, { ...file, part: 'interval' });
    this.reserve();
    this.hasWhole = true;
    const { sample, values } = this.intervals[this.intervals.length - 1];
    values.forEach((list, v) => {
      const sum = this.values[v];
      if (isState(this, v)) sum.fill(0);
      for (let i = 0; i < list.length; i++) sum[sample[i]] += list[i];
    });
    if (this.intervals.length > MOST_FOLLOWED) this.thin();
  }

  /** Of the older half of the intervals, two become one. */
  thin() {
    const { intervals } = this, half = intervals.length >> 2 << 1;
    /** @type {Profile['intervals']} */
    const joined = [];
    for (let i = 0; i < half; i += 2) joined.push(join(intervals[i], intervals[i + 1], v => isState(this, v)));
    this.intervals = joined.concat(intervals.slice(half));
  }

  /**
   * A file of the whole replaces what was known. Intervals up to its end may come with it.
   * @param {number} end
   */
  restart(end) {
    for (const list of this.values) list.fill(0);
    this.before.push(...this.intervals);
    this.intervals = [];
    this.wholeEnd = end;
  }

  /**
   * One of the intervals that come with the whole, in place of what was seen of that time.
   * @param {Raw} raw @param {DataFile} file
   */
  addPast(raw, file) {
    const from = file.start || raw.start, to = file.end || raw.end;
    this.before = this.before.filter(i => (i.start + i.end) / 2 < from || (i.start + i.end) / 2 > to);
    this.add(raw, file);
  }

  /** All of the whole has come. */
  settle() {
    if (this.before.length) this.intervals = this.before.concat(this.intervals);
    this.before = [];
  }

  /**
   * Whether the whole has the interval that ends then. Times are rounded.
   * @param {number} end
   */
  isKnown(end) { return end <= this.wholeEnd + 5; }

  reserve() {
    this.values = this.values.map(list => {
      if (list.length >= this.samples.used) return list;
      const grown = new Float64Array(Math.max(this.samples.used, 2 * list.length));
      grown.set(list);
      return grown;
    });
  }

  /** @returns {Profile} */
  finish() {
    this.reserve();
    this.intervals.sort((a, b) => a.start - b.start);
    const frames = this.frames.columns(), nodes = this.nodes.columns(), samples = this.samples.columns();
    const values = this.values.map(list => list.slice(0, this.samples.used));
    const profile = {
      kind: this.kind, side: this.file.side, program: this.file.program, service: this.file.service,
      types: this.types, defaultType: this.defaultType, period: this.period,
      start: this.start, end: this.end, comments: this.comments, functions: this.functions,
      frames: { fn: frames.a, line: frames.b.map(n => n >> 1), inlined: Uint8Array.from(frames.b, n => n & 1) },
      nodes: { parent: nodes.parent, frame: nodes.key },
      samples: { node: samples.a, set: samples.b, values },
      sets: this.sets, intervals: this.intervals.slice(), problems: this.problems,
    };
    if (!this.hasWhole) sumIntervals(profile);
    return profile;
  }
}

/**
 * Two neighbours as one: sums add up, states are those of the later one.
 * @param {Interval} one @param {Interval} other @param {(type: number) => boolean} isState @returns {Interval}
 */
function join(one, other, isState) {
  const at = new Map([...one.sample, ...other.sample].map(s => [s, 0])), sample = Int32Array.from(at.keys());
  sample.forEach((s, i) => at.set(s, i));
  const values = one.values.map((list, v) => {
    const sum = new Float64Array(sample.length);
    if (!isState(v)) for (let i = 0; i < list.length; i++) sum[/** @type {number} */ (at.get(one.sample[i]))] += list[i];
    for (let i = 0; i < other.values[v].length; i++) sum[/** @type {number} */ (at.get(other.sample[i]))] += other.values[v][i];
    return sum;
  });
  return { start: one.start, end: other.end, totals: values.map(list => list.reduce((a, b) => a + b, 0)), sample, values };
}

/**
 * Without a file of the whole, the whole is the sum of the intervals.
 * @param {Profile} profile
 */
function sumIntervals(profile) {
  for (const interval of profile.intervals)
    interval.values.forEach((list, v) => {
      const sum = profile.samples.values[v];
      for (let i = 0; i < list.length; i++) sum[interval.sample[i]] += list[i];
    });
}

/**
 * A file that says nothing of its program is called by its name. One that is called by its kind only, as those in a
 * session's directory are, is of the program whose file is mapped first.
 * @param {DataFile} file @param {Raw} raw
 */
function programOf(file, raw) {
  const name = file.name.replace(/^.*\//, '').replace(/(\.(pb|pprof|prof))?(\.gz)?$/, '');
  return file.program || (kinds.includes(name) && raw.modules.find(module => module)) || name || 'profile';
}

/** Lets the browser draw and take input. */
export const pause = () => new Promise(resolve => setTimeout(resolve, 0));

/** Files that come one after the other. */
export class Loader {
  constructor() {
    /** @type {Map<string, Builder>} */
    this.builders = new Map();
    /** @type {string[]} files that could not be read, one line each */
    this.problems = [];
  }

  /** @param {DataFile} file */
  async read(file) {
    const raw = decode(await unpack(file.bytes)), kind = file.kind || guessKind(file.name, raw);
    const named = { ...file, program: programOf(file, raw), service: file.service || programOf(file, raw) };
    const key = [file.side, named.program, kind, file.kind ? '' : raw.types.map(t => t.type)].join('\n');
    let builder = this.builders.get(key);
    if (!builder) this.builders.set(key, builder = new Builder(named, raw, kind));
    return { builder, raw, named };
  }

  /** @param {DataFile} file @param {(builder: Builder, raw: Raw, file: DataFile) => void} take */
  async take(file, take) {
    try {
      const { builder, raw, named } = await this.read(file);
      take(builder, raw, named);
    } catch (error) {
      this.problems.push((file.name || file.program + ' ' + file.kind) + ': ' + /** @type {Error} */ (error).message);
    }
  }

  /** @param {DataFile[]} files @param {(done: number, all: number) => void} [progress] */
  async add(files, progress) {
    /* Wholes come first: their types are the profile's. */
    const order = [...files].sort((a, b) => (a.part === 'whole' ? 0 : 1) - (b.part === 'whole' ? 0 : 1));
    let since = Date.now(), done = 0;
    for (const file of order) {
      if (progress && Date.now() - since > 50) { progress(done, order.length); await pause(); since = Date.now(); }
      done++;
      await this.take(file, (builder, raw, named) => builder.add(raw, named));
    }
  }

  /**
   * What a session that runs has sent: the whole and the intervals that are in it, later what is new. If there is a whole
   * again, something was missed, and it replaces what was known.
   * @param {DataFile[]} files
   */
  async follow(files) {
    const problems = this.problems.length;
    for (const file of files)
      await this.take(file, (builder, raw, named) => {
        if (file.part === 'whole') builder.restart(named.end || raw.end);
        if (file.part === 'interval' && !builder.isKnown(named.end || raw.end)) builder.follow(raw, named);
        else if (file.part === 'interval') builder.addPast(raw, named);
        else builder.add(raw, named);
      });
    for (const builder of this.builders.values()) builder.settle();
    return this.problems.length === problems;
  }

  /** @returns {Profile[]} */
  profiles() {
    const rank = (/** @type {Profile} */ p) => { const n = kinds.indexOf(p.kind); return n < 0 ? kinds.length : n; };
    return [...this.builders.values()].map(b => b.finish()).sort((a, b) => a.side - b.side || rank(a) - rank(b));
  }
}

/**
 * @param {DataFile[]} files @param {(done: number, all: number) => void} [progress]
 * @returns {Promise<{ profiles: Profile[], problems: string[] }>} problems: files that could not be read, one line each
 */
export async function load(files, progress) {
  const loader = new Loader();
  await loader.add(files, progress);
  return { profiles: loader.profiles(), problems: loader.problems };
}
