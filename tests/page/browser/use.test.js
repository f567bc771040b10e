// SPDX-License-Identifier: Apache-2.0
// A reader's mouse and keys, and what the page answers.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import path from 'node:path';
import { SCRATCH, close, download, drawn, open } from '../lib/chromium.js';
import { boxOf, key, makeReport, press, reached, rows, show, state, total } from '../lib/report.js';
import { INTERVAL, START, between, total as sumOf, writeShop } from '../lib/shop.js';

/** @type {string} */
let file, second;
const SECOND = 1000000000, CPU = 1, LIVE = 3;

before(() => {
  const out = path.join(SCRATCH, 'use-session'), other = path.join(SCRATCH, 'use-other');
  writeShop(out);
  file = makeReport('use', out);
  // The other version: compress() takes three times as long.
  writeShop(other, { kinds: ['cpu'], change: (_, samples) => samples.map(s =>
    s.stack.at(-1).startsWith('compress') ? { ...s, values: s.values.map(v => 3 * v) } : s) });
  second = makeReport('use-other', other);
});
after(close);

/** Each test has a page of its own, and no test may leave a fault. */
const inPage = (name, options, body) => test(name, async () => {
  const page = await open(file, options);
  await body(page);
  assert.deepEqual(page.faults, []);
  await page.close();
});

inPage('totals are the sums of samples, of each type', {}, async page => {
  assert.equal(await total(page), sumOf(between('cpu', 0, 6), CPU));
  for (const [title, kind, type] of [['CPU samples', 'cpu', 0], ['Allocated bytes', 'memory', 1], ['Live bytes', 'memory', LIVE], ['Mutex delay', 'mutex', 1],
    ['Blocking events', 'block', 0], ['Wall time', 'wall', 1], ['Off CPU', 'off_cpu', 1], ['Threads created', 'threadcreate', 0]]) {
    await show(page, title);
    assert.equal(await total(page), sumOf(between(kind, 0, 6), type), title);
  }
  const labels = await page.$$eval('#tabs small', list => list.map(e => e.textContent));
  assert.ok(labels.every(l => /^[A-Z]/.test(l) && !/_|off cpu off|threads threads/i.test(l)), labels.join());
});

inPage('a click zooms, a second one and Escape go back', { still: true }, async page => {
  const [x, y] = await boxOf(page, 'handle_order');
  await page.mouse.click(x, y);
  await page.waitForFunction(() => location.hash.includes('zoom='));
  await drawn(page);
  assert.match(await page.$eval('.crumbs', e => e.textContent), /handle_order/);
  assert.ok(!await boxOf(page, 'compress'), 'what is beside it is gone');
  await key(page, 'Escape');
  await reached(page, 'zoom', '');
  assert.ok(await boxOf(page, 'compress'));
});

inPage('arrow keys walk through the flame graph, and a screen reader is told', { still: true }, async page => {
  await page.focus('#view-flame canvas');
  const said = () => page.$eval('#said', e => e.textContent);
  await key(page, 'ArrowDown');
  assert.match(await said(), /^main, with callees 19\.2 s 100/);
  for (const name of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await key(page, name);
  assert.match(await said(), /^compress, .*own 3\.00 s/);
  await key(page, 'ArrowLeft');
  await key(page, 'Enter');
  assert.match(await page.$eval('.crumbs', e => e.textContent), /handle_order/);
  assert.match(await page.$eval('#view-flame canvas', e => e.getAttribute('aria-label')), /CPU time/);
});

inPage('search: / begins it, regular expressions, next and previous match', { still: true }, async page => {
  await key(page, '/');
  await page.keyboard.type('price');
  await reached(page, 'search', 'price');
  assert.deepEqual((await rows(page)).map(r => r.name), ['price']);
  assert.match(await page.$eval('.found', e => e.textContent), /^53\.1\s%/);
  await key(page, 'Escape');
  await reached(page, 'search', '');
  await press(page, '.*');
  await key(page, '/');
  await page.keyboard.type('^(round|parse)_');
  await reached(page, 'search', '^(round|parse)_');
  assert.deepEqual((await rows(page)).map(r => r.name), ['parse_json', 'round_cents']);
  await page.evaluate(() => document.activeElement.blur());
  await key(page, 'n');
  const first = (await state(page)).zoom;
  await key(page, 'n');
  assert.notEqual((await state(page)).zoom, first);
  await page.keyboard.down('Shift');
  await key(page, 'n');
  await page.keyboard.up('Shift');
  assert.equal((await state(page)).zoom, first);
  await key(page, '/');
  await page.keyboard.type('(');
  await page.waitForFunction(() => location.hash.includes('%28%28') || /regular|invalid|unterminated|missing/i.test(document.querySelector('.found').textContent));
});

inPage('? shows the keys, and Escape closes them', {}, async page => {
  await key(page, '?');
  assert.match(await page.$eval('dialog[open]', e => e.textContent), /search.*match.*Esc/is);
  await key(page, 'Escape');
  assert.equal(await page.$('dialog[open]'), null);
});

inPage('the address restores what was chosen; back and forward undo and redo', {}, async page => {
  await show(page, 'Live bytes');
  await show(page, 'Functions');
  const hash = await page.evaluate(() => location.hash), seen = await rows(page);
  await page.goBack();
  await reached(page, 'view', '');
  await page.goBack();
  await reached(page, 'kind', '');
  assert.equal(await total(page), sumOf(between('cpu', 0, 6), CPU));
  await page.goForward();
  await page.goForward();
  await reached(page, 'view', 'table');
  assert.deepEqual(await rows(page), seen);
  const again = await open(file, { hash: hash.slice(1) });
  assert.deepEqual(await rows(again), seen);
  assert.equal(await total(again), sumOf(between('memory', 0, 6), LIVE));
  await again.close();
});

inPage('the brush selects a span, whose totals are the sums of its intervals', { still: true }, async page => {
  const lane = await (await page.$('.timeline svg .brush.span .overlay')).boundingBox();
  const at = n => lane.x + lane.width * n / 6;
  await page.mouse.move(at(1) + 8, lane.y + 20);
  await page.mouse.down();
  await page.mouse.move(at(2), lane.y + 20, { steps: 3 });
  await page.mouse.move(at(4) - 8, lane.y + 20, { steps: 3 });
  await page.mouse.up();
  await drawn(page);
  assert.equal((await state(page)).span, `${START + INTERVAL * 1000}-${START + 4 * INTERVAL * 1000}`);
  assert.equal(await total(page), sumOf(between('cpu', 1, 4), CPU));
  await show(page, 'Live bytes');
  assert.equal(await total(page), sumOf(between('memory', 3, 4), LIVE), 'what is in use is what was so at the end');
  await press(page, 'Whole time');
  assert.equal(await total(page), sumOf(between('memory', 0, 6), LIVE));
});

inPage('two spans are compared', { hash: `span=${START + 30000}-${START + 60000}&base=span:${START}-${START + 30000}&view=compare` }, async page => {
  const text = await page.$eval('#view-compare', e => e.textContent);
  assert.match(text, /price/);
  const [row] = await page.$$eval('#view-compare tbody tr', list => list.map(e => [e.className, e.textContent]));
  assert.equal(row[0], 'grew');
  assert.match(row[1], /^\+3\.00 s/);
});

inPage('filters are in the address, and are taken away again', { hash: 'thread=worker' }, async page => {
  assert.equal(await total(page), sumOf(between('cpu', 0, 6).filter(s => s.labels.thread === 'worker'), CPU));
  await press(page, 'Filter');
  await page.type('.filters input', 'price');
  await key(page, 'Enter');
  await reached(page, 'focus', 'price');
  assert.equal(await total(page), 1020 * 10000000);
  await page.goBack();
  await reached(page, 'focus', '');
  await page.evaluate(() => document.querySelector('.chips button').click());
  await reached(page, 'thread', '');
  assert.equal(await total(page), sumOf(between('cpu', 0, 6), CPU));
});

inPage('the tree opens by keys', { hash: 'view=tree' }, async page => {
  await page.focus('#view-tree [role=treeitem][tabindex="0"]');
  await key(page, 'Home');
  const focused = () => page.evaluate(() => [document.activeElement.querySelector('.name').textContent, document.activeElement.getAttribute('aria-expanded')]);
  assert.deepEqual(await focused(), ['CPU time', 'true']);
  await key(page, 'ArrowDown');
  assert.deepEqual(await focused(), ['main', 'true']);
  await key(page, 'ArrowLeft');
  assert.deepEqual(await focused(), ['main', 'false']);
  await key(page, 'ArrowRight');
  await key(page, 'ArrowRight');
  assert.equal((await focused())[0], 'serve(std::vector<order> const&)');
});

inPage('the sandwich has callers above and callees below', { hash: 'view=sandwich&fn=price' }, async page => {
  const text = await page.$eval('#view-sandwich', e => e.textContent);
  assert.match(text, /handle_order[\s\S]*price[\s\S]*own 9\.00 s[\s\S]*with callees 10\.2 s[\s\S]*round_cents/);
});

inPage('a report that is dropped onto the page is compared with', {}, async page => {
  const data = readFileSync(second).toString('base64');
  await page.evaluate(async text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)), transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'new version.html', { type: 'text/html' }));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, data);
  await reached(page, 'base', 'side:1');
  const rowsOf = await page.$$eval('#view-compare tbody tr', list => list.map(e => [e.className, e.textContent]));
  const [, compress] = rowsOf.find(r => r[1].includes('compress')) ?? [];
  assert.ok(compress, rowsOf.join('\n'));
  assert.match(await page.$eval('#view-compare', e => e.textContent), /new version\.html|this report/);
});

inPage('what is shown is saved as folded stacks and as pprof', { hash: 'thread=worker' }, async page => {
  const saved = async text => {
    await page.evaluate(() => { const b = [...document.querySelectorAll('button')].find(x => /^(Download|Save)/.test(x.textContent)); b?.click(); });
    return readFileSync(await download(page, () => page.evaluate(t => [...document.querySelectorAll('button, a')].find(b => b.textContent.toLowerCase().includes(t)).click(), text)));
  };
  const folded = (await saved('folded')).toString().trim().split('\n').sort();
  assert.deepEqual(folded.map(l => l.replace(/^.*;/, '')).sort(), ['parse_json 6000000000', 'price 9000000000', 'round_cents 1200000000']);
  const profile = await saved('pprof');
  mkdirSync(SCRATCH, { recursive: true });
  assert.ok(gunzipSync(profile).includes('handle_order'));
});

inPage('printed, it has the numbers and no buttons', {}, async page => {
  await page.emulateMediaType('print');
  assert.equal(await page.$eval('.bar', e => getComputedStyle(e).display), 'none');
  assert.ok((await page.pdf({ format: 'A4' })).length > 10000);
});
