// SPDX-License-Identifier: Apache-2.0
/**
 * What changed between two sides of a selection, and which changes may be chance. The rule is that of
 * analysis/diff/significance/significance.h, for one run a side; docs/diff.md explains it.
 *
 * @typedef {import('./types.js').Profile} Profile
 * @typedef {import('./types.js').Selection} Selection
 * @typedef {import('./types.js').State} State
 * @typedef {{rule: 'none' | 'looks' | 'bytes' | 'blocks' | 'waits' | 'count', other: number, period: number, totalKnown: boolean, clumping?: number}} Sampling
 *   other: the type of the looks, blocks or bytes, or -1
 * @typedef {{delta: number, error: number, significant: boolean}} Change  delta +- error holds the truth
 * @typedef {{fn: number, own: number, ownBase: number, total: number, totalBase: number, ofOwn: Change, ofTotal: Change}} ChangeRow
 * @typedef {{leaf: number, value: number, base: number, change: Change}} StackRow  leaf: node of the tree
 */
import { functionRows } from './functions.js';
import { normOf, select } from './select.js';
import { isState } from './text.js';
import { ownTree } from './tree.js';

/** In standard errors: of one value that was asked for, and of one of a list at least. */
export const LEVEL_NAMED = 2.6, LEVEL_LISTED = 3;
/** Of a value: two runs of one program differ by that much without a cause that sampling knows. */
const ONE_RUN_SCATTER = 0.025;
/** A smaller common divisor may be chance. */
const DIVISOR_LEAST = 1000;
/** Functions with fewer looks can pass no level, so they are not among those that are compared. */
const LOOKS_LEAST = 9;

/**
 * What one look stands for. No look stands for more than the smallest value, nor, if all values are multiples of something, for
 * more than that.
 * @param {Profile} profile @param {number} type
 */
function periodOf(profile, type) {
  let period = profile.period.value > 0 && profile.period.unit === profile.types[type].unit ? profile.period.value : Infinity, divisor = 0;
  for (const values of [profile.samples.values[type], ...(profile.other ? [profile.other.values[type]] : [])])
    for (const value of values) {
      if (!(value > 0)) continue;
      for (let a = value, b = divisor; ; [a, b] = [b, a % b]) if (!b) { divisor = a; break; }
      period = Math.min(period, value);
    }
  if (divisor >= DIVISOR_LEAST) period = Math.min(period, divisor);
  return period < Infinity ? period : 0;
}

/**
 * On a busy machine a sample may stand for several periods of its thread's timer, as the comments say. Runs of periods that end by
 * chance (geometric) with the mean m have the variance 2 m - 1 per look.
 * @param {Profile} profile
 */
function clumpingOf(profile) {
  const find = (/** @type {string} */ text) => parseFloat(profile.comments.find(c => c.endsWith(text)) || '0') || 0;
  const samples = find(' CPU samples taken'), more = find(' CPU timer periods that were counted with a later sample');
  return profile.kind === 'cpu' && samples > 0 ? 1 + 2 * more / samples : 1;
}

/** @param {Profile} profile @param {number} type @returns {Sampling} */
export function samplingOf(profile, type) {
  const { type: name, unit } = profile.types[type], find = (/** @type {(t: {type: string, unit: string}) => boolean} */ test) => profile.types.findIndex(test);
  const memory = /^((?:alloc_|inuse_)?)(space|objects)$/.exec(name), firstCount = find(t => t.unit === 'count');
  const sampling = { rule: /** @type {Sampling['rule']} */ ('looks'), other: firstCount, period: profile.period.value, totalKnown: unit === 'nanoseconds' };
  if (profile.kind === 'threads' || profile.kind === 'threadcreate') return { ...sampling, rule: 'none', other: -1, totalKnown: true };
  if (memory) {
    const other = find(t => t.type === memory[1] + (memory[2] === 'space' ? 'objects' : 'space'));
    return { ...sampling, rule: memory[2] === 'space' ? 'bytes' : 'blocks', other, totalKnown: false };
  }
  if (name === 'delay') return { ...sampling, rule: 'waits', totalKnown: false };
  if (unit === 'count') return { ...sampling, rule: 'count', other: -1, totalKnown: name === 'samples' };
  return { ...sampling, period: periodOf(profile, type), clumping: clumpingOf(profile) };
}

/**
 * Of a number of blocks, which is not sampled if a block is far larger than the period.
 * @param {number} blocks @param {number} bytes @param {number} period
 */
function ofBlocks(blocks, bytes, period) {
  const seen = blocks > 0 && period > 0 ? -Math.expm1(-bytes / blocks / period) : 1;
  return seen > 0 ? blocks * (1 - seen) / seen : 0;
}

/**
 * The variance of one sample's value.
 * @param {Sampling} sampling @param {number} value @param {number} other of the other type
 */
export function sampleVariance({ rule, period, clumping = 1 }, value, other) {
  const own = Math.abs(value);
  other = Math.abs(other);
  if (rule === 'looks') return (other > 0 ? own * own / other : own * period) * clumping;
  if (rule === 'bytes') return other > 0 ? (own / other) ** 2 * ofBlocks(other, own, period) : own * period;
  if (rule === 'blocks') return other > 0 ? ofBlocks(own, other, period) : own;
  if (rule === 'waits') return 2 * own * own / (other > 0 ? other : 1);
  return rule === 'count' ? own : 0;
}

/**
 * The complementary error function, to seven digits: Chebyshev's fit of Numerical Recipes.
 * @param {number} x
 */
function erfc(x) {
  const z = Math.abs(x), t = 1 / (1 + z / 2);
  const c = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277];
  const y = t * Math.exp(-z * z + c.reduceRight((sum, n) => sum * t + n, 0));
  return x >= 0 ? y : 2 - y;
}

/**
 * The level for a list, so that fewer than 1 of 20 lists of equal programs shows any change.
 * @param {number} functions
 */
export function levelOfList(functions) {
  let low = LEVEL_LISTED, high = 12;
  if (!functions || erfc(low / Math.SQRT2) <= 0.05 / functions) return low;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (erfc(middle / Math.SQRT2) > 0.05 / functions) low = middle; else high = middle;
  }
  return high;
}

/**
 * Variances of the samples of one side.
 * @param {Sampling} sampling @param {Float64Array} weight @param {Float64Array | null} other
 */
const variances = (sampling, weight, other) => weight.map((v, i) => v ? sampleVariance(sampling, v, other ? other[i] : 0) : 0);

/**
 * What one look stands for, squared: without it a function that was never seen would have no error at all.
 * @param {Float64Array} variance @param {Float64Array} weight
 */
function oneLook(variance, weight) {
  let v = 0, w = 0;
  for (let i = 0; i < weight.length; i++) { v += variance[i]; w += Math.abs(weight[i]); }
  return w > 0 ? (v / w) ** 2 : 0;
}

export class Comparison {
  /** @param {Selection} s with a base @param {State} state it was selected by */
  constructor(s, state) {
    const { profile, type } = s, sampling = this.sampling = samplingOf(profile, type), raw = { ...state, norm: /** @type {'none'} */ ('none') };
    const own = select(profile, raw), other = sampling.other >= 0 ? select(profile, { ...raw, type: sampling.other }) : null;
    const base = own.base || new Float64Array(own.weight.length);
    this.s = s;
    /** By how much base was multiplied. */
    this.scale = own.baseTotal ? s.baseTotal / own.baseTotal : 1;
    this.runScatter = Boolean(state.base?.side) && !isState(profile, type);
    this.totalKnown = sampling.totalKnown || (normOf(state) === 'total' && !isState(profile, type));
    this.variance = variances(sampling, own.weight, other && other.weight);
    /* The other report was recorded at another time of this machine. */
    const baseSampling = state.base?.side && profile.other && sampling.clumping ? { ...sampling, clumping: clumpingOf({ ...profile, comments: profile.other.comments }) } : sampling;
    const baseVariance = variances(baseSampling, base, other && other.base);
    this.look = oneLook(this.variance, own.weight);
    this.baseLook = oneLook(baseVariance, base) * this.scale ** 2;
    this.baseVariance = baseVariance.map(v => v * this.scale ** 2);
    this.rows = functionRows(s);
    const least = LOOKS_LEAST * Math.sqrt(Math.max(this.look, this.baseLook));
    const values = this.rows.flatMap(row => [row.total + row.totalBase, row.own + row.ownBase < row.total + row.totalBase ? row.own + row.ownBase : 0]);
    this.level = levelOfList(values.filter(value => value > least).length);
  }

  /** @param {number} value @param {number} base @param {number} variance @param {number} baseVariance @param {number} level @returns {Change} */
  change(value, base, variance, baseVariance, level) {
    const { s } = this, rest = (/** @type {number} */ v, /** @type {number} */ total) => this.totalKnown && total > 0 ? Math.max(0, 1 - v / total) : 1;
    const both = variance * rest(value, s.total) + this.look + baseVariance * rest(base, s.baseTotal) + this.baseLook;
    const scatter = this.runScatter ? ONE_RUN_SCATTER * Math.hypot(value, base) : 0, delta = value - base;
    const error = level * Math.hypot(Math.sqrt(both), scatter);
    const significant = Math.abs(delta) > error || (Math.abs(delta) > level * Math.sqrt(both) && this.share(value, base, variance * rest(value, s.total) + this.look, baseVariance * rest(base, s.baseTotal) + this.baseLook, level) === Math.sign(delta));
    return { delta, error, significant };
  }

  /**
   * Of one run a side: 1 or -1 if the share of the total rose or fell, whatever the machine's speed was; else 0.
   * @param {number} value @param {number} base @param {number} variance @param {number} baseVariance @param {number} level
   */
  share(value, base, variance, baseVariance, level) {
    const { total, baseTotal } = this.s;
    if (!this.runScatter || !(total > 0) || !(baseTotal > 0)) return 0;
    const scale = baseTotal / total, now = value * scale, delta = now - base;
    const scatter = ONE_RUN_SCATTER * Math.hypot(base * (1 - base / baseTotal), now * (1 - now / baseTotal));
    return Math.abs(delta) > level * Math.hypot(Math.sqrt(variance * scale * scale + baseVariance), scatter) ? Math.sign(delta) : 0;
  }

  /** The whole, which was asked for by itself. */
  whole() {
    const { s } = this, sum = (/** @type {Float64Array} */ list) => list.reduce((a, b) => a + b, 0);
    return this.change(s.total, s.baseTotal, sum(this.variance), sum(this.baseVariance), LEVEL_NAMED);
  }

  /** @returns {ChangeRow[]} by own change: what is beyond the sampling error first, the largest first */
  functions() {
    const { rows, level } = this;
    const byFn = new Map(functionRows({ ...this.s, weight: this.variance, base: this.baseVariance }).map(row => [row.fn, row]));
    const list = rows.map(row => {
      const v = byFn.get(row.fn) || { own: 0, ownBase: 0, total: 0, totalBase: 0 };
      return { ...row, ofOwn: this.change(row.own, row.ownBase, v.own, v.ownBase, level),
               ofTotal: this.change(row.total, row.totalBase, v.total, v.totalBase, level) };
    });
    return sortChanges(list, row => row.ofOwn);
  }

  /** @returns {StackRow[]} */
  stacks() {
    const { tree, weight, base } = this.s, own = ownTree(tree, weight), ownBase = base ? ownTree(tree, base) : new Float64Array(own.length);
    const variance = ownTree(tree, this.variance), baseVariance = ownTree(tree, this.baseVariance), leaves = [];
    for (let i = 1; i < own.length; i++) if (own[i] || ownBase[i]) leaves.push(i);
    const { level } = this;
    return sortChanges(leaves.map(leaf => ({ leaf, value: own[leaf], base: ownBase[leaf],
                                             change: this.change(own[leaf], ownBase[leaf], variance[leaf], baseVariance[leaf], level) })), row => row.change);
  }
}

/** @template T @param {T[]} rows @param {(row: T) => Change} of */
export const sortChanges = (rows, of) =>
  rows.sort((a, b) => Number(of(b).significant) - Number(of(a).significant) || Math.abs(of(b).delta) - Math.abs(of(a).delta));
