// SPDX-License-Identifier: Apache-2.0
/**
 * What the comments of a profile say, sorted by the question that they answer. cprof writes them; comments of other profilers
 * are kept as they are.
 *
 * @typedef {{module: string, share: string, of: string, package: string}} Unnamed  package: that has its symbols, or ''
 * @typedef {{made: string[], rates: string[], losses: string[], cuts: string[], cost: string[], symbols: Unnamed[], moreUnnamed: string,
 *   memory: Record<string, number> | null, settings: string[], counts: string[], other: string[]}} Facts
 *   memory: MiB of the process by what they are for
 */

const LOST = /^\d+ (samples (lost|not taken)|records dropped)|\b(lost|dropped)\b/;
const CUT = /\b(cut|beyond|not (kept|tracked|recorded|profiled|seen)|without (a CPU timer|their trace)|counted under \[other\]|could not|cannot be interposed|too many|table full|summed up)\b/;
const COUNT = /^\d+ (\S.*)$/;
const UNNAMED = /^no symbols, share of (\S+): (.+?) ([\d.]+ %)(?: \((.+)\))?$/;

/** @type {[RegExp, 'made' | 'rates' | 'cost' | 'settings'][]} */
const PREFIXES = [
  [/^cprof \d|^.+: \d+ process(es)? so far/, 'made'],
  [/^(cpu|memory|mutex|block|wall, off_cpu): (\S+ samples per|one |waits below|\S+ looks)/, 'rates'],
  [/^(cost of taking samples|overhead|to hold the limit): /, 'cost'],
  [/^\d{4}-\d\d-\d\d [\d:]+ UTC: /, 'settings'],
];

/**
 * "resident 147.2 MiB: blocks in use 106.9, mapped 0.0, other 26.8 (free ...)"
 * @param {string} text
 */
function memoryOf(text) {
  const match = /^resident ([\d.]+) MiB: (.*)$/.exec(text);
  if (!match) return null;
  /** @type {Record<string, number>} */
  const parts = { resident: +match[1] };
  for (const [, name, value] of match[2].matchAll(/([a-z][a-z ]*?) ([\d.]+)(?=[,; ]|$)/g)) parts[name] = +value;
  return parts;
}

/** @param {string[]} comments @returns {Facts} */
export function sortComments(comments) {
  /** @type {Facts} */
  const facts = { made: [], rates: [], losses: [], cuts: [], cost: [], symbols: [], moreUnnamed: '', memory: null, settings: [], counts: [], other: [] };
  for (const text of comments) {
    const unnamed = UNNAMED.exec(text), prefix = PREFIXES.find(([pattern]) => pattern.test(text));
    if (unnamed) facts.symbols.push({ of: unnamed[1], module: unnamed[2], share: unnamed[3], package: unnamed[4] || '' });
    else if (/^no symbols: \d+ more modules/.test(text)) facts.moreUnnamed = text.slice('no symbols: '.length);
    else if (text.startsWith('resident ')) facts.memory = memoryOf(text);
    else if (prefix) facts[prefix[1]].push(text);
    else if (/^0 /.test(text)) continue;
    else if (LOST.test(text)) facts.losses.push(text);
    else if (CUT.test(text)) facts.cuts.push(text);
    else if (COUNT.test(text)) facts.counts.push(text);
    else facts.other.push(text);
  }
  return facts;
}

/**
 * What to type for the symbols of all modules; '' if no package is known.
 * @param {Unnamed[]} symbols
 */
export function installCommand(symbols) {
  const names = [...new Set(symbols.map(one => one.package).filter(name => /^[a-z0-9][a-z0-9+.-]*$/.test(name)))];
  return names.length ? 'apt install ' + names.join(' ') : '';
}
