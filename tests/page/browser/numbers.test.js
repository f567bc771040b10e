// SPDX-License-Identifier: Apache-2.0
// The numbers of the table of functions are those of `go tool pprof -top` of the same files: of cprof's and of Go's own.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { SCRATCH, close, drawn, open } from '../lib/chromium.js';
import { makeReport, total } from '../lib/report.js';
import { KINDS, writeShop } from '../lib/shop.js';

after(close);
const go = process.env.GO || 'go';

/** Function -> [own, with callees] in the smallest unit. */
function top(file, type, unit) {
  const options = ['-top', '-nodecount=1000000', '-nodefraction=0', '-edgefraction=0', '-sample_index=' + type, '-unit=' + unit];
  const text = execFileSync(go, ['tool', 'pprof', ...options, file], { encoding: 'utf8', env: { ...process.env, PPROF_TMPDIR: SCRATCH }, stdio: ['ignore', 'pipe', 'ignore'] });
  const number = s => Number(s.replace(/[a-zA-Z]+$/, '')), all = new Map();
  for (const line of text.split('\n')) {
    const found = /^\s*(\S+)\s+\S+%?\s+\S+%\s+(\S+)\s+\S+%?\s{2}(.*)$/.exec(line);
    if (found && !line.includes('flat%')) all.set(found[3].replace(/ \(inline\)$/, '').replace(/ \(partial-inline\)$/, ''), [number(found[1]), number(found[2])]);
  }
  return all;
}

/** The same as the page has it: a function of several modules is one for pprof. */
async function ofPage(page) {
  const list = await page.$$eval('#view-table tbody tr', trs => trs.map(tr => ({ name: tr.querySelector('.fn').title, own: tr.children[0].title, total: tr.children[2].title })));
  /* Functions without a name are one a module for pprof. Sums with callees cannot be added up, as they call each other. */
  const group = name => name.replace(/^(.+)\+0x[0-9a-f]+$/, '[$1]');
  const exact = s => Number(s.replace(/[^0-9-]/g, '')), all = new Map();
  for (const { name, own, total: sum } of list.map(row => ({ ...row, name: group(row.name) }))) all.set(name, [exact(own), exact(sum)].map((n, i) => n + (all.get(name)?.[i] ?? 0)));
  return all;
}

/** In one page, whose address changes from type to type. */
async function compare(page, file, kind, types) {
  for (const [index, [type, unit]] of types.entries()) {
    await page.evaluate(hash => { location.hash = hash; }, `kind=${kind}&type=${index}&view=table&ascending=${index % 2}`);
    await page.waitForFunction((k, t) => document.querySelector(`#tabs [aria-pressed="true"][data-kind="${k}"][data-type="${t}"]`), {}, kind, type);
    await drawn(page);
    await page.evaluate(() => { const more = document.querySelector('#view-table .more:not([hidden]) button'); more?.click(); });
    const mine = await ofPage(page), theirs = top(file, type, { nanoseconds: 'ns', bytes: 'B' }[unit] ?? 'count');
    for (const [name, [own, sum]] of theirs) {
      if (!own && !sum) continue;
      if (name.startsWith('[')) assert.equal(mine.get(name)?.[0], own, `${path.basename(file)} ${type} ${name}`);
      else assert.deepEqual(mine.get(name), [own, sum], `${path.basename(file)} ${type} ${name}`);
    }
    const shown = [...mine].filter(([, [own, sum]]) => own || sum).map(([name]) => name);
    assert.deepEqual(shown.filter(name => !theirs.has(name)), [], 'functions that pprof has not');
    assert.equal(await total(page), [...theirs.values()].reduce((n, [own]) => n + own, 0));
  }
  assert.deepEqual(page.faults, []);
}

/** pprof leaves out the parameters of C++ functions. */
const plain = (_, samples) => samples.map(s => ({ ...s, stack: s.stack.map(frame => frame.replace(/\(.*?\)/, '')) }));

test('a session, each kind and type', async () => {
  const out = path.join(SCRATCH, 'numbers-session'), directory = writeShop(out, { intervals: false, change: plain }), page = await open(makeReport('numbers', out));
  for (const kind of ['cpu', 'memory', 'mutex']) await compare(page, path.join(directory, kind + '.pb.gz'), kind, KINDS[kind].types);
});

test("Go's own profiles", { skip: process.env.GO_PROFILES ? false : 'no $GO_PROFILES' }, async () => {
  const directory = process.env.GO_PROFILES, types = { 'go-cpu': ['cpu', [['samples', 'count'], ['cpu', 'nanoseconds']]],
    'go-heap': ['memory', [['alloc_objects', 'count'], ['alloc_space', 'bytes'], ['inuse_objects', 'count'], ['inuse_space', 'bytes']]],
    'go-mutex': ['mutex', [['contentions', 'count'], ['delay', 'nanoseconds']]] };
  for (const name of readdirSync(directory)) {
    const [kind, list] = types[name.split('.')[0]] ?? [];
    if (kind) await compare(await open(makeReport(name, path.join(directory, name))), path.join(directory, name), kind, list);
  }
});

test('a real session', { skip: process.env.SESSION ? false : 'no $SESSION' }, async () => {
  const session = process.env.SESSION, page = await open(makeReport('real', session)), [program] = readdirSync(session).filter(n => !n.includes('.'));
  for (const kind of ['cpu', 'memory']) await compare(page, path.join(session, program, kind + '.pb.gz'), kind, KINDS[kind].types);
});
