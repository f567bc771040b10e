// SPDX-License-Identifier: Apache-2.0
// Trees whose nodes are (parent, key), numbered in the order in which they come: 0 is the root, a parent has a lower
// number than its children. Most nodes have few children, so those are a short list, which is found in the memory beside
// the parent. What comes after the first CHAIN children of a node is in a hash table.

import { Pairs } from './pairs.js';

const CHAIN = 6;

export class Trie {
  /** @param {number} [room] */
  constructor(room = 1024) {
    this.parent = new Int32Array(room);
    this.key = new Int32Array(room);
    /** The first child, 0: none. */
    this.first = new Int32Array(room);
    /** The next child of the same parent, 0: none. */
    this.next = new Int32Array(room);
    this.parent[0] = this.key[0] = -1;
    this.used = 1;
    /** Of children that are in no list. */
    this.more = new Pairs(64);
    /**
     * By number in more: the node.
     * @type {Int32Array}
     */
    this.moreNode = new Int32Array(64);
  }

  /**
   * The child of parent with this key; it is made if there is none.
   * @param {number} parent @param {number} key
   */
  get(parent, key) {
    let steps = 0;
    for (let n = this.first[parent]; n !== 0; n = this.next[n]) {
      if (this.key[n] === key) return n;
      steps++;
    }
    if (steps < CHAIN) {
      const node = this.add(parent, key);
      this.next[node] = this.first[parent];
      this.first[parent] = node;
      return node;
    }
    const before = this.more.used, number = this.more.get(parent, key);
    if (number < before) return this.moreNode[number];
    if (number >= this.moreNode.length) {
      const grown = new Int32Array(2 * this.moreNode.length);
      grown.set(this.moreNode);
      this.moreNode = grown;
    }
    return this.moreNode[number] = this.add(parent, key);
  }

  /** @param {number} parent @param {number} key */
  add(parent, key) {
    if (this.used === this.parent.length) this.grow();
    this.parent[this.used] = parent;
    this.key[this.used] = key;
    return this.used++;
  }

  grow() {
    const twice = (/** @type {Int32Array} */ list) => {
      const grown = new Int32Array(2 * list.length);
      grown.set(list);
      return grown;
    };
    this.parent = twice(this.parent);
    this.key = twice(this.key);
    this.first = twice(this.first);
    this.next = twice(this.next);
  }

  /** The columns without the room that is not used. */
  columns() {
    return { parent: this.parent.slice(0, this.used), key: this.key.slice(0, this.used) };
  }
}
