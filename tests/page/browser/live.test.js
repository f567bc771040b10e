// SPDX-License-Identifier: Apache-2.0
// The page of `cprof report --live`: it has what was before it was opened, grows while it is looked at, and stays when the session ends.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { close, drawn, open, violations } from '../lib/chromium.js';
import { press, reached, show, state, total } from '../lib/report.js';

after(close);
const TURN = 30000; // ms, for what comes every 5 s

const button = page => page.$eval('#live', e => e.textContent);
const steps = page => page.$eval('.timeline', e => 1 + Number(e.getAttribute('aria-valuemax')));
const grows = (page, than) => page.waitForFunction(before => Number(document.querySelector('.total b').title.replace(/[^0-9]/g, '')) > before, { timeout: TURN }, than);

test('a page that follows a session', { skip: process.env.URL ? false : 'no $URL' }, async () => {
  const page = await open(process.env.URL, { hash: 'kind=cpu' });
  await page.waitForSelector('.timeline', { timeout: TURN });
  assert.equal(await button(page), 'Live');
  const first = await total(page), before = await steps(page);
  assert.ok(before > 2, `${before} steps of the time line: it begins with the session`);
  await grows(page, first);
  assert.ok(await steps(page) > before);

  // What the reader has chosen stays, and paused the page stands still.
  await show(page, 'Functions');
  const now = await total(page);
  await grows(page, now);
  assert.equal((await state(page)).view, 'table');
  await page.focus('.timeline');
  await page.keyboard.press('Home');
  await page.waitForFunction(() => location.hash.includes('span='));
  await drawn(page);
  const span = await total(page);
  await page.waitForResponse(response => response.url().includes('live?'), { timeout: TURN });
  await drawn(page);
  assert.equal(await total(page), span, 'an interval that is over does not change');
  await press(page, 'Whole time');
  await reached(page, 'span', '');
  await page.keyboard.press('l');
  assert.equal(await button(page), 'Paused');
  await page.keyboard.press('l');
  assert.deepEqual(await violations(page, 'body'), []);

  // The session ends, and the page says so and stays.
  process.kill(Number(process.env.PROGRAM), 'SIGKILL');
  await page.waitForFunction(() => document.getElementById('live').textContent === 'Ended', { timeout: 2 * TURN });
  assert.match(await page.$eval('main', e => e.textContent), /The session has ended\. What it recorded stays here/);
  assert.ok(await total(page) >= now);
  assert.ok((await page.$$('#view-table tbody tr')).length > 0);
  assert.deepEqual(page.faults, []);
});
