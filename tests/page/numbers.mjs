// SPDX-License-Identifier: Apache-2.0
// numbers.mjs TYPE FILE [BASE]: what the page shows of a profile, as JSON: of each function own and total value, callers and
// callees, and with a base the changes. Tests compare that with `go tool pprof` and with `cprof diff --json`.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { load } from '../../report/data/load.js';
import { align } from '../../report/model/align.js';
import { Comparison } from '../../report/model/compare.js';
import { functionRows } from '../../report/model/functions.js';
import { Sandwich } from '../../report/model/sandwich.js';
import { select } from '../../report/model/select.js';
import { initial } from '../../report/state/state.js';

const [type, ...files] = process.argv.slice(2);

/** Functions without a name are told apart by the page. For pprof those of a module are one, so here they are, too. */
function byName(profile) {
  const first = new Map(), to = profile.functions.map(({ name, module }, fn) => {
    const key = name.startsWith(module + '+0x') ? '[' + module + ']' : fn;
    if (!first.has(key)) first.set(key, fn);
    return first.get(key);
  });
  for (const [key, fn] of first) if (key !== fn) profile.functions[fn] = { ...profile.functions[fn], name: key };
  profile.frames.fn = profile.frames.fn.map(fn => to[fn]);
  profile.functions = [...profile.functions, { name: '', module: '', file: '', line: 0 }]; /* the tree is to be made anew */
  return profile;
}

async function open(file) {
  const { profiles, problems } = await load([{ side: 0, program: 'p', service: 'p', kind: basename(file).split('.')[0], part: 'whole', start: 0, end: 0, name: file, bytes: readFileSync(file) }]);
  if (problems.length) throw new Error(problems[0]);
  return byName(profiles[0]);
}

const [now, base] = await Promise.all(files.map(open));
const profile = base ? align(base, now, 'base') : now;
const state = { ...initial, type: profile.types.findIndex(t => t.type === type), base: base ? { side: 1 } : null, norm: 'none' };
const s = select(profile, state), nameOf = item => s.tree.functions[item.fn].name;
const named = items => Object.fromEntries(items.map(item => [nameOf(item), item.value]));

if (base) {
  const comparison = new Comparison(s, state);
  const change = ({ delta, error, significant }) => ({ change: delta, error, significant });
  console.log(JSON.stringify({ level: comparison.level, total: change(comparison.whole()), functions: Object.fromEntries(
    comparison.functions().map(row => [nameOf(row), { own: change(row.ofOwn), cumulative: change(row.ofTotal) }])) }));
} else {
  console.log(JSON.stringify(Object.fromEntries(functionRows(s).map(row => {
    const sandwich = new Sandwich(s, row.fn);
    return [nameOf(row), { own: row.own, total: row.total, callers: named(sandwich.callers()), callees: named(sandwich.callees()) }];
  }))));
}
