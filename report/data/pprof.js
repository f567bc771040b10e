// SPDX-License-Identifier: Apache-2.0
// pprof's profile.proto, read without a library. The bytes are anybody's: every length is checked against its end,
// and an index that points nowhere is the same as none.

/**
 * @typedef {{
 *   types: { type: string, unit: string }[], defaultType: number,
 *   period: { value: number, type: string, unit: string }, start: number, end: number, comments: string[],
 *   functions: { name: string, file: string, line: number }[],
 *   locations: { first: Int32Array, fn: Int32Array, line: Int32Array, module: Int32Array, address: Float64Array },
 *   modules: string[],
 *   samples: { first: Int32Array, location: Int32Array, values: Float64Array[], set: Int32Array },
 *   sets: { key: string, str: string, num: number, unit: string }[][]
 * }} Raw
 *   A file as it is. first: where the entries of each row begin, with one more at the end. Lines are innermost
 *   first, locations leaf first. A module's index is -1 where there is none. start and end: ms of the epoch, or 0.
 */

const text = new TextDecoder();

class Reader {
  /** @param {Uint8Array} bytes @param {number} at @param {number} end */
  constructor(bytes, at, end) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.wire = 0;
    /** Of the last long varint: the highest 8 bits, and 28 and 28 below. */
    this.high = this.mid = this.low = 0;
  }

  /** A varint as a double; of more than 53 bits the lowest are lost. */
  number() {
    const bytes = this.bytes, end = this.end;
    let at = this.at, byte = 0, low = 0, mid = 0, high = 0;
    if (at < end && (byte = bytes[at]) < 128) { this.at = at + 1; return byte; }
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw new Error('cut off in the middle');
      byte = bytes[at++];
      if (shift < 28) low |= (byte & 127) << shift;
      else if (shift < 56) mid |= (byte & 127) << shift - 28;
      else high += (byte & 127) << shift - 56;
      if (byte < 128) {
        this.at = at;
        this.high = high;
        this.mid = mid;
        this.low = low;
        return high * 2 ** 56 + mid * 268435456 + low;
      }
    }
    throw new Error('not a pprof profile');
  }

  /** int64: the upper half of the range is negative. Small negative numbers are exact. */
  signed() {
    const n = this.number();
    return n < 9223372036854775808 ? n : ((this.high - 256) * 268435456 + this.mid) * 268435456 + this.low;
  }

  /** The next field's number, 0 at the end. Its kind is in wire. */
  field() {
    if (this.at >= this.end) return 0;
    const tag = this.number();
    this.wire = tag & 7;
    return Math.floor(tag / 8) || -1;
  }

  /** The end of a field with a length. */
  limit() {
    const size = this.number();
    if (!(size <= this.end - this.at)) throw new Error('cut off in the middle');
    return this.at + size;
  }

  skip() {
    if (this.wire === 0) this.number();
    else if (this.wire === 2) this.at = this.limit();
    else if (this.wire === 1 || this.wire === 5) this.at += this.wire === 1 ? 8 : 4;
    else throw new Error('not a pprof profile');
    if (this.at > this.end) throw new Error('cut off in the middle');
  }

  /**
   * Calls what with each number of a repeated field, packed or not.
   * @param {(n: number) => void} what
   */
  each(what) {
    if (this.wire === 0) { what(this.signed()); return; }
    if (this.wire !== 2) throw new Error('not a pprof profile');
    const outer = this.end;
    this.end = this.limit();
    while (this.at < this.end) what(this.signed());
    this.end = outer;
  }

  /**
   * Reads a message's fields. what gets each number and has to read or skip.
   * @param {(field: number) => void} what
   */
  message(what) {
    if (this.wire !== 2) throw new Error('not a pprof profile');
    const outer = this.end;
    this.end = this.limit();
    for (let field; (field = this.field());) what(field);
    this.end = outer;
  }
}

/** Integers, as many as come. */
class Column {
  constructor() { this.list = new Int32Array(1024); this.used = 0; }
  /** @param {number} n */
  add(n) {
    if (this.used === this.list.length) {
      const grown = new Int32Array(2 * this.used);
      grown.set(this.list);
      this.list = grown;
    }
    this.list[this.used++] = n;
  }
  done() { return this.list.subarray(0, this.used); }
}

/** From ids of a file to indexes. Ids are 1, 2, 3 ... in most files, and anything in others. */
class Index {
  constructor() { this.small = new Int32Array(1024).fill(-1); /** @type {Map<number, number>} */ this.large = new Map(); }
  /** @param {number} id @param {number} index */
  set(id, index) {
    if (!(id >= 0 && id < 1 << 22)) { this.large.set(id, index); return; }
    if (id >= this.small.length) {
      const grown = new Int32Array(Math.max(2 * this.small.length, id + 1)).fill(-1);
      grown.set(this.small);
      this.small = grown;
    }
    this.small[id] = index;
  }
  /** @param {number} id */
  get(id) { return id >= 0 && id < this.small.length ? this.small[id] : this.large.get(id) ?? -1; }
}

/** @param {Reader} r */
function readValueType(r) {
  const pair = { type: 0, unit: 0 };
  r.message(f => {
    if (f === 1) pair.type = r.number();
    else if (f === 2) pair.unit = r.number();
    else r.skip();
  });
  return pair;
}

/** What is in the file, before anything points to anything: messages may come in any order. */
class Tables {
  constructor() {
    /** @type {string[]} */
    this.strings = [];
    /** @type {{ type: number, unit: number }[]} */
    this.types = [];
    /** @type {{ name: number, system: number, file: number, line: number }[]} */
    this.functions = [];
    this.functionIndex = new Index();
    /** @type {number[]} */
    this.mappings = [];
    this.mappingIndex = new Index();
    this.locationIndex = new Index();
    /** @type {number[]} */
    this.locationMapping = [];
    /** @type {number[]} */
    this.addresses = [];
    this.lineFirst = new Column();
    /** @type {number[]} Function ids: they may be larger than an Int32. */
    this.lineFunction = [];
    this.lineNumber = new Column();
    this.sampleFirst = new Column();
    /** @type {Column} Indexes + 1 once locations are known. */
    this.sampleLocation = new Column();
    /** @type {number[]} */
    this.hugeIds = [];
    /** @type {number[]} */
    this.values = [];
    this.valueFirst = new Column();
    this.sets = new Sets();
    this.sampleSet = new Column();
    /** @type {number[]} */
    this.comments = [];
    this.time = 0;
    this.duration = 0;
    this.period = 0;
    this.periodType = { type: 0, unit: 0 };
    this.defaultType = 0;
  }

  /** @param {number} n */
  string(n) { return this.strings[n] ?? ''; }
}

/** Distinct sets of labels. The key is what their numbers are. */
class Sets {
  constructor() {
    /** @type {Map<string, number>} */
    this.known = new Map();
    /** @type {number[][]} */
    this.list = [];
  }
  /** @param {number[]} numbers */
  get(numbers) {
    const key = numbers.join(',');
    let n = this.known.get(key);
    if (n === undefined) {
      this.known.set(key, n = this.list.length);
      this.list.push(numbers);
    }
    return n;
  }
}

/**
 * Most of a file's bytes are these, so they are read in one loop.
 * @param {Reader} r @param {Tables} t
 */
function readIds(r, t) {
  const outer = r.end, single = r.wire === 0, column = t.sampleLocation;
  if (!single && r.wire !== 2) throw new Error('not a pprof profile');
  if (!single) r.end = r.limit();
  const { bytes, end } = r;
  let at = r.at;
  while (at < end) {
    let id = bytes[at];
    if (id < 128) at++;
    else if (at + 1 < end && bytes[at + 1] < 128) { id = id & 127 | bytes[at + 1] << 7; at += 2; }
    else {
      r.at = at;
      id = r.signed();
      at = r.at;
      if (id < 0 || id > 0x7fffffff) { t.hugeIds.push(id); id = -t.hugeIds.length; }
    }
    column.add(id);
    if (single) break;
  }
  r.at = at;
  r.end = outer;
}

/** @param {Reader} r @param {Tables} t */
function readSample(r, t) {
  /** @type {number[]} */
  const labels = [];
  t.sampleFirst.add(t.sampleLocation.used);
  t.valueFirst.add(t.values.length);
  r.message(f => {
    if (f === 1) readIds(r, t);
    else if (f === 2) r.each(n => { t.values.push(n); });
    else if (f === 3) readLabel(r, labels);
    else r.skip();
  });
  t.sampleSet.add(t.sets.get(labels));
}

/** @param {Reader} r @param {number[]} labels */
function readLabel(r, labels) {
  let key = 0, str = 0, num = 0, unit = 0;
  r.message(f => {
    if (f === 1) key = r.number();
    else if (f === 2) str = r.number();
    else if (f === 3) num = r.signed();
    else if (f === 4) unit = r.number();
    else r.skip();
  });
  labels.push(key, str, num, unit);
}

/** @param {Reader} r @param {Tables} t */
function readMapping(r, t) {
  let id = 0, name = 0;
  r.message(f => {
    if (f === 1) id = r.number();
    else if (f === 5) name = r.number();
    else r.skip();
  });
  t.mappingIndex.set(id, t.mappings.length);
  t.mappings.push(name);
}

/** @param {Reader} r @param {Tables} t */
function readLocation(r, t) {
  let id = 0, mapping = 0, address = 0;
  t.lineFirst.add(t.lineFunction.length);
  r.message(f => {
    if (f === 1) id = r.signed();
    else if (f === 2) mapping = r.number();
    else if (f === 3) address = r.number();
    else if (f === 4) readLine(r, t);
    else r.skip();
  });
  t.locationIndex.set(id, t.addresses.length);
  t.locationMapping.push(mapping);
  t.addresses.push(address);
}

/** @param {Reader} r @param {Tables} t */
function readLine(r, t) {
  let id = 0, line = 0;
  r.message(f => {
    if (f === 1) id = r.number();
    else if (f === 2) line = r.signed();
    else r.skip();
  });
  t.lineFunction.push(id);
  t.lineNumber.add(line);
}

/** @param {Reader} r @param {Tables} t */
function readFunction(r, t) {
  let id = 0;
  const fn = { name: 0, system: 0, file: 0, line: 0 };
  r.message(f => {
    if (f === 1) id = r.number();
    else if (f === 2) fn.name = r.number();
    else if (f === 3) fn.system = r.number();
    else if (f === 4) fn.file = r.number();
    else if (f === 5) fn.line = r.signed();
    else r.skip();
  });
  t.functionIndex.set(id, t.functions.length);
  t.functions.push(fn);
}

/** @type {Record<number, (r: Reader, t: Tables) => void>} */
const fields = {
  1: (r, t) => { t.types.push(readValueType(r)); },
  2: readSample,
  3: readMapping,
  4: readLocation,
  5: readFunction,
  6: (r, t) => {
    if (r.wire !== 2) throw new Error('not a pprof profile');
    const end = r.limit();
    t.strings.push(text.decode(r.bytes.subarray(r.at, end)));
    r.at = end;
  },
  9: (r, t) => { t.time = r.signed(); },
  10: (r, t) => { t.duration = r.signed(); },
  11: (r, t) => { t.periodType = readValueType(r); },
  12: (r, t) => { t.period = r.signed(); },
  13: (r, t) => { r.each(n => { t.comments.push(n); }); },
  14: (r, t) => { t.defaultType = r.number(); },
};

/** Wire type of each field, where another one is no pprof profile. */
const scalars = new Set([9, 10, 12, 14]);

/** @param {Uint8Array} bytes */
function readTables(bytes) {
  const t = new Tables(), r = new Reader(bytes, 0, bytes.length);
  for (let field; (field = r.field());) {
    const read = fields[field];
    if (!read) r.skip();
    else if (scalars.has(field) && r.wire !== 0) throw new Error('not a pprof profile');
    else read(r, t);
  }
  if (!t.strings.length || !t.types.length) throw new Error('not a pprof profile');
  t.lineFirst.add(t.lineFunction.length);
  t.sampleFirst.add(t.sampleLocation.used);
  t.valueFirst.add(t.values.length);
  return t;
}

/** @param {string} path */
const baseName = path => path.slice(path.lastIndexOf('/') + 1);

/** @param {Tables} t @returns {Raw['samples']} */
function samplesOf(t) {
  const types = t.types.length, count = t.sampleSet.used, first = t.valueFirst.done();
  const values = t.types.map(() => new Float64Array(count)), location = t.sampleLocation.done();
  for (let i = 0; i < count; i++)
    for (let v = 0; v < types && first[i] + v < first[i + 1]; v++) values[v][i] = t.values[first[i] + v];
  for (let i = 0; i < location.length; i++)
    location[i] = t.locationIndex.get(location[i] < 0 ? t.hugeIds[-location[i] - 1] : location[i]);
  return { first: t.sampleFirst.done(), location, values, set: t.sampleSet.done() };
}

/** @param {Tables} t @returns {Raw['locations']} */
function locationsOf(t) {
  return {
    first: t.lineFirst.done(),
    fn: Int32Array.from(t.lineFunction, id => t.functionIndex.get(id)),
    line: t.lineNumber.done(),
    module: Int32Array.from(t.locationMapping, id => id ? t.mappingIndex.get(id) : -1),
    address: Float64Array.from(t.addresses),
  };
}

/** @param {number[]} numbers @param {Tables} t */
function labelsOf(numbers, t) {
  const list = [];
  for (let i = 0; i < numbers.length; i += 4)
    list.push({ key: t.string(numbers[i]), str: t.string(numbers[i + 1]), num: numbers[i + 2], unit: t.string(numbers[i + 3]) });
  return list;
}

/**
 * Reads a profile that is not compressed. Throws an Error that says what is wrong.
 * @param {Uint8Array} bytes @returns {Raw}
 */
export function decode(bytes) {
  const t = readTables(bytes);
  const types = t.types.map(p => ({ type: t.string(p.type), unit: t.string(p.unit) }));
  const wanted = types.findIndex(p => p.type === t.string(t.defaultType));
  return {
    types,
    defaultType: t.defaultType && wanted >= 0 ? wanted : types.length - 1,
    period: { value: t.period, type: t.string(t.periodType.type), unit: t.string(t.periodType.unit) },
    start: t.time / 1e6,
    end: (t.time + Math.max(0, t.duration)) / 1e6,
    comments: t.comments.map(n => t.string(n)),
    functions: t.functions.map(f => ({ name: t.string(f.name) || t.string(f.system), file: t.string(f.file), line: f.line })),
    locations: locationsOf(t),
    modules: t.mappings.map(n => baseName(t.string(n))),
    samples: samplesOf(t),
    sets: t.sets.list.map(numbers => labelsOf(numbers, t)),
  };
}
