// SPDX-License-Identifier: Apache-2.0
// Numbers for pairs of integers, in the order in which they come: a hash table by open addressing in typed arrays.
// A Map of texts is five times slower and needs ten times the memory for a million stacks.

export class Pairs {
  /** @param {number} [room] */
  constructor(room = 256) {
    this.a = new Int32Array(room);
    this.b = new Int32Array(room);
    this.used = 0;
    let slots = 512;
    while (slots < 2 * room) slots *= 2;
    /** The pair's number + 1, or 0. */
    this.slots = new Int32Array(slots);
  }

  /**
   * The number of (a, b); a new pair gets the next number.
   * @param {number} a @param {number} b
   */
  get(a, b) {
    const mask = this.slots.length - 1;
    let at = mix(a, b) & mask;
    for (let n; (n = this.slots[at]) !== 0; at = (at + 1) & mask)
      if (this.a[n - 1] === a && this.b[n - 1] === b) return n - 1;
    if (this.used === this.a.length) this.grow();
    const number = this.used++;
    this.a[number] = a;
    this.b[number] = b;
    if (2 * this.used > this.slots.length) this.rehash();
    else this.slots[at] = number + 1;
    return number;
  }

  /**
   * The number of (a, b), or -1.
   * @param {number} a @param {number} b
   */
  find(a, b) {
    const mask = this.slots.length - 1;
    for (let at = mix(a, b) & mask, n; (n = this.slots[at]) !== 0; at = (at + 1) & mask)
      if (this.a[n - 1] === a && this.b[n - 1] === b) return n - 1;
    return -1;
  }

  grow() {
    const a = new Int32Array(2 * this.a.length), b = new Int32Array(2 * this.a.length);
    a.set(this.a);
    b.set(this.b);
    this.a = a;
    this.b = b;
  }

  rehash() {
    this.slots = new Int32Array(2 * this.slots.length);
    const mask = this.slots.length - 1;
    for (let n = 0; n < this.used; n++) {
      let at = mix(this.a[n], this.b[n]) & mask;
      while (this.slots[at] !== 0) at = (at + 1) & mask;
      this.slots[at] = n + 1;
    }
  }

  /** The columns without the room that is not used. */
  columns() {
    return { a: this.a.slice(0, this.used), b: this.b.slice(0, this.used) };
  }
}

/** @param {number} a @param {number} b */
function mix(a, b) {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return h ^ h >>> 13;
}
