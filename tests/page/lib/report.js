// SPDX-License-Identifier: Apache-2.0
// What a reader does with a report, and sees of it.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { BUILD, SCRATCH, drawn } from './chromium.js';

/** `cprof report`, of a directory or of files. */
export function makeReport(name, ...inputs) {
  const file = path.join(SCRATCH, name + '.html');
  execFileSync(path.join(BUILD, 'cprof-uploader'), ['report', '-o', file, ...inputs], { stdio: ['ignore', 'ignore', 'inherit'] });
  return file;
}

export const viewNames = page => page.$$eval('#views button', list => list.map(b => b.textContent));

/** Clicks the button of a view, or of a type of a profile. */
export async function show(page, name) {
  const found = await page.evaluate(text => {
    const button = [...document.querySelectorAll('#views button, #tabs button')].find(b => (b.querySelector('small') || b).textContent === text);
    button?.click();
    return Boolean(button);
  }, name);
  if (!found) throw new Error(`there is no view and no type "${name}"`);
  await drawn(page);
}

/** A button of the page by its text, clicked. */
export async function press(page, text) {
  await (await page.waitForSelector(`::-p-xpath(//button[normalize-space()="${text}"])`, { visible: true })).click();
  await drawn(page);
}

export async function key(page, name) {
  await page.keyboard.press(name);
  await drawn(page);
}

export const state = page => page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
/** The state is there, and has been drawn. */
export async function reached(page, name, value) {
  await page.waitForFunction((n, v) => (new URLSearchParams(location.hash.slice(1)).get(n) ?? '') === v, { timeout: 20000 }, name, value);
  await drawn(page);
}

/** The exact number above the views: digits of "CPU time 19.2 s (19 200 000 000 nanoseconds)". */
export const total = page => page.$eval('.total', e => Number((e.querySelector('b').title || e.textContent).replace(/[^0-9]/g, '')));

/** Rows of the table of functions: [{ own, total, name, module }] as the page writes them. */
export const rows = page => page.$$eval('#view-table tbody tr', list => list.map(tr => {
  const cells = [...tr.children].map(td => td.textContent);
  return { own: cells[0], ownShare: cells[1], total: cells[2], totalShare: cells[3], name: tr.querySelector('.fn').title, module: cells.at(-2) };
}));

/** Puts the mouse on a function's box in the flame graph: [x, y], or null. The tip says what is there. */
export async function boxOf(page, name, from = 0) {
  const canvas = await page.$('#view-flame canvas'), area = await canvas.boundingBox();
  for (let y = area.y + 10 + from; y < area.y + area.height; y += 20) {
    for (let x = area.x + 6; x < area.x + area.width; x += 80) {
      await page.mouse.move(x, y);
      const text = await page.evaluate(() => { const tip = document.querySelector('.tip'); return tip.style.display === 'block' ? tip.querySelector('.name').textContent : ''; });
      if (text === name) return [x, y];
      if (!text) break;
    }
  }
  return null;
}
