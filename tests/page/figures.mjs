// SPDX-License-Identifier: Apache-2.0
// How fast the page is: figures.mjs REPORT. Prints what docs/report.md states, of a report of lib/big.js or of any other.
// Opened: from the start of loading until all is drawn. A search: from a letter until its matches are drawn. The brush: pictures a
// second while the mouse drags it over the whole time line, and the longest time between two of them.
import path from 'node:path';
import { close, drawn, open } from './lib/chromium.js';

const file = path.resolve(process.argv[2]);

/** Milliseconds that fn(argument) takes in the page, and the next picture. */
const timed = (page, fn, argument) => page.evaluate(`(async () => {
  const next = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  const begin = performance.now();
  await (${fn})(${JSON.stringify(argument)});
  await next();
  return performance.now() - begin;
})()`);
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1];
const say = (what, ...values) => console.log(what.padEnd(34), ...values);

const opened = [];
let page;
for (let i = 0; i < 3; i++) {
  if (page) await page.close();
  page = await open(file);
  // Loading begins with the navigation; data-ready is set when the page has drawn itself.
  opened.push(await page.evaluate(() => window.cprofDrawn ?? performance.now()));
}
say('opened and drawn', Math.round(median(opened)) + ' ms');
const stacks = await page.evaluate(() => document.querySelector('.total')?.textContent);
say('it shows', stacks);

const search = text => {
  const input = document.querySelector('input[type=search]'), begin = performance.now();
  input.value = text;
  input.dispatchEvent(new Event('input'));
  return new Promise(done => { const look = () => performance.now() - begin > 3000 || decodeURIComponent(location.hash).includes('search=' + text) ? done() : setTimeout(look); look(); });
};
const typed = [];
for (const text of ['f', 'fu', 'function_1', 'function_12', 'ns7', 'module', 'zzz']) typed.push(await timed(page, search.toString(), text));
say('search, from key to picture', Math.round(median(typed)) + ' ms, at most ' + Math.round(Math.max(...typed)) + ' ms (80 ms of it the pause after a key)');
await page.keyboard.press('Escape');
await drawn(page);

for (const view of await page.evaluate(() => [...document.querySelectorAll('#views button')].map(b => b.textContent))) {
  const click = name => [...document.querySelectorAll('#views button')].find(b => b.textContent === name).click();
  say('view ' + view, Math.round(await timed(page, click.toString(), view)) + ' ms');
}
const first = () => document.querySelector('#views button').click();
await timed(page, first.toString());
for (const key of ['i', 'i', 'n']) {
  const press = k => document.dispatchEvent(new KeyboardEvent('keydown', { key: k, bubbles: true }));
  say('key ' + key, Math.round(await timed(page, `k => { const e = new KeyboardEvent('keydown', { key: k, bubbles: true }); document.body.dispatchEvent(e); }`, key)) + ' ms', press.length ? '' : '');
}
await page.keyboard.press('Escape');
await drawn(page);

const lane = await page.$('.timeline svg');
if (lane) {
  const box = await lane.boundingBox();
  await page.evaluate(() => {
    window.pictures = [];
    const tick = time => { window.pictures.push(time); if (window.pictures.length < 5000) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  });
  await page.mouse.move(box.x + 20, box.y + 40);
  await page.mouse.down();
  for (let i = 0; i < 120; i++) {
    await page.mouse.move(box.x + 20 + (box.width - 60) * i / 119, box.y + 40);
    await new Promise(done => setTimeout(done, 8));
  }
  const times = await page.evaluate(() => window.pictures);
  await page.mouse.up();
  const gaps = times.slice(1).map((t, i) => t - times[i]);
  say('brush', Math.round(1000 * gaps.length / (times.at(-1) - times[0])) + ' pictures a second, the longest gap ' + Math.round(Math.max(...gaps)) + ' ms, median ' + median(gaps).toFixed(1) + ' ms');
}
if (page.faults.length) say('faults', ...page.faults.slice(0, 3));
await close();
