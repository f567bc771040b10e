// SPDX-License-Identifier: Apache-2.0
/**
 * What each line of a file costs: by itself, and with what it calls. A line that is on a stack more than once counts once.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {{own: number, total: number}} Cost
 * @typedef {{file: string, own: number, total: number, lines: Map<number, Cost>}} FileCost
 */

/**
 * Numbers of the lines of frames; -1 if no line is known.
 * @param {Profile} profile
 */
function placesOf(profile) {
  /** @type {Map<string, number>} */
  const known = new Map();
  /** @type {{file: string, line: number}[]} */
  const list = [];
  const of = Int32Array.from(profile.frames.fn, (fn, i) => {
    const { file } = profile.functions[fn], line = profile.frames.line[i], key = line + ' ' + file;
    if (!file || !line) return -1;
    let n = known.get(key);
    if (n === undefined) {
      known.set(key, n = list.length);
      list.push({ file, line });
    }
    return n;
  });
  return { of, list };
}

/**
 * Children of nodes as chains: first child and next sibling, or -1.
 * @param {Int32Array} parent
 */
function chains(parent) {
  const first = new Int32Array(parent.length).fill(-1), next = new Int32Array(parent.length).fill(-1);
  for (let i = parent.length - 1; i > 0; i--) {
    next[i] = first[parent[i]];
    first[parent[i]] = i;
  }
  return { first, next };
}

/** @param {Profile} profile @param {Float64Array} weight per sample @returns {FileCost[]} the file with the most own cost first */
export function lineCosts(profile, weight) {
  const { parent, frame } = profile.nodes, { node } = profile.samples, own = new Float64Array(parent.length), places = placesOf(profile);
  for (let i = 0; i < node.length; i++) own[node[i]] += weight[i];
  const sum = own.slice();
  for (let i = parent.length - 1; i > 0; i--) sum[parent[i]] += sum[i];
  const ofOwn = new Float64Array(places.list.length), ofTotal = new Float64Array(places.list.length), open = new Int32Array(places.list.length);
  const { first, next } = chains(parent);
  for (let at = first[0]; at > 0;) { /* down to the first child, then to the sibling, then up */
    const place = places.of[frame[at]];
    if (place >= 0) {
      ofOwn[place] += own[at];
      if (!open[place]++) ofTotal[place] += sum[at];
    }
    if (first[at] > 0) { at = first[at]; continue; }
    for (; at > 0; at = parent[at]) {
      const left = places.of[frame[at]];
      if (left >= 0) open[left]--;
      if (next[at] > 0) break;
    }
    at = at > 0 ? next[at] : 0;
  }
  return collect(places.list, ofOwn, ofTotal);
}

/** @param {{file: string, line: number}[]} places @param {Float64Array} own @param {Float64Array} total @returns {FileCost[]} */
function collect(places, own, total) {
  /** @type {Map<string, FileCost>} */
  const files = new Map();
  places.forEach(({ file, line }, n) => {
    if (!total[n]) return;
    const entry = files.get(file) || { file, own: 0, total: 0, lines: new Map() };
    files.set(file, entry);
    entry.lines.set(line, { own: own[n], total: total[n] });
    entry.own += own[n];
    entry.total = Math.max(entry.total, total[n]);
  });
  return [...files.values()].sort((a, b) => b.own - a.own || b.total - a.total);
}

/**
 * Which lines are worth showing: those with a cost, and some around them.
 * @param {FileCost} cost @param {number} count of the file's lines
 * @param {number} around @returns {[number, number][]} first and last line of each part
 */
export function partsOf(cost, count, around) {
  /** @type {[number, number][]} */
  const parts = [];
  for (const line of [...cost.lines.keys()].sort((a, b) => a - b)) {
    if (line > count) continue;
    const from = Math.max(1, line - around), to = Math.min(count, line + around), last = parts[parts.length - 1];
    if (last && from <= last[1] + 1) last[1] = to;
    else parts.push([from, to]);
  }
  return parts;
}
