// SPDX-License-Identifier: Apache-2.0
// Which views there are, in the order of their buttons, and which panels stand above and below them.

import { alarm } from './alarm.js';
import { compare } from './compare.js';
import { facts } from './facts.js';
import { flameView } from './flame.js';
import { sandwich } from './sandwich.js';
import { sizes } from './sizes.js';
import { tableView } from './table.js';
import { threads } from './threads.js';
import { source } from './source.js';
import { timeline } from './timeline.js';
import { tree } from './tree.js';

/** @type {import('../model/types.js').View[]} */
export const views = [flameView, tableView, tree, sandwich, compare, threads, sizes, source];

/** @type {import('../model/types.js').Panel[]} */
export const panels = [alarm, timeline, facts];
