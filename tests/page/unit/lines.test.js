// SPDX-License-Identifier: Apache-2.0
// The cost of lines.
import assert from 'node:assert/strict';
import test from 'node:test';

import { lineCosts, partsOf } from '../../../report/model/lines.js';
import { makeProfile } from './make.js';

test('own cost and cost with callees, a line of a recursion once', () => {
  const profile = makeProfile(['main;f;g 1', 'main;f;f;f 2', 'main;f;g;f 4', 'main 8']);
  profile.frames.line.set([10, 20, 30]); /* of main, f, g */
  profile.functions[2].file = 'f.c';
  const costs = lineCosts(profile, profile.samples.values[0]);
  assert.deepEqual(costs.map(c => [c.file, c.own, [...c.lines].map(([line, cost]) => [line, cost.own, cost.total])]),
    [['main.c', 8, [[10, 8, 15]]], ['f.c', 7, [[20, 6, 7], [30, 1, 5]]]]);
});

test('frames without a line cost nothing', () => {
  const profile = makeProfile(['main;f 1']);
  assert.deepEqual(lineCosts(profile, profile.samples.values[0]), []);
});

test('parts around lines that cost something', () => {
  const cost = { file: '', own: 0, total: 0, lines: new Map([[3, null], [12, null], [30, null], [99, null]]) };
  assert.deepEqual(partsOf(cost, 31, 5), [[1, 17], [25, 31]]);
});
