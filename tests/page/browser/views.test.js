// SPDX-License-Identifier: Apache-2.0
// What holds for every view of every report: nothing is asked for, nothing is written to the console, axe finds nothing, and it is
// as wide as a phone.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import path from 'node:path';
import { SCRATCH, close, open, overflow, violations } from '../lib/chromium.js';
import { makeReport, show, viewNames } from '../lib/report.js';
import { writeShop } from '../lib/shop.js';

after(close);

/** rules: which of axe's are asked, of the page and of each view: all if empty, none if null. */
async function check(file, options, views, types, rules = []) {
  const page = await open(file, options), found = rules ? await violations(page, 'body', rules) : [];
  for (const name of [...types, ...views ?? await viewNames(page)]) {
    await show(page, name);
    if (rules) for (const line of await violations(page, '#view', rules)) found.push(`${name}: ${line}`);
    if (await overflow(page)) found.push(`${name}: wider than the window by ${await overflow(page)} pixels`);
  }
  await page.close();
  assert.deepEqual([...found, ...page.faults], []);
}
const COLOURS = ['color-contrast'], NONE = null;

test('a session with everything, light, dark, narrow', async () => {
  const out = path.join(SCRATCH, 'shop-session');
  writeShop(out);
  const file = makeReport('shop', out);
  await check(file, { hash: 'kind=memory' }, null, []);
  await check(file, { dark: true, hash: 'kind=memory' }, null, [], COLOURS);
  await check(file, { width: 390, height: 844 }, ['Flame graph'], []);
  await check(file, { width: 390, height: 844 }, null, ['Live bytes', 'Sizes', 'Threads', 'CPU time'], NONE);
  await check(file, { hash: 'base=thread:worker' }, ['Flame graph', 'Tree', 'Sandwich', 'Compare'], []);
  await check(file, { hash: 'base=thread:worker', dark: true }, ['Flame graph', 'Compare'], [], COLOURS);
});

test('a real session with a deadlock', { skip: process.env.REPORT ? false : 'no $REPORT' }, async () => {
  await check(process.env.REPORT, { hash: 'kind=threads' }, ['Threads'], []);
  await check(process.env.REPORT, { hash: 'kind=threads', dark: true, width: 390, height: 844 }, ['Threads'], [], COLOURS);
});
