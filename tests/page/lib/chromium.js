// SPDX-License-Identifier: Apache-2.0
// Pages of reports in a headless Chromium. The packages of package.json are in $CPROF_PAGE_MODULES, where tests/e2e/test_page.py
// installs them. Each page notes what no report may do: ask for anything, write to the console, throw.
import { createRequire } from 'node:module';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const TREE = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../../..');
export const BUILD = process.env.CPROF_BUILD || path.join(TREE, 'build');
const require = createRequire(path.join(process.env.CPROF_PAGE_MODULES || path.join(BUILD, 'tests/page'), 'package.json'));
const puppeteer = require('puppeteer-core');
const AXE = require.resolve('axe-core/axe.min.js');
/** Where tests write: a directory of the caller's, or one that is removed. */
export const SCRATCH = process.env.CPROF_PAGE_SCRATCH || mkdtempSync(path.join(tmpdir(), 'cprof-page-'));

/** @type {Promise<import('puppeteer-core').Browser> | null} */
let started = null;

function executable() {
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(p => p && existsSync(p));
  if (!found) throw new Error('chromium is not there: apt-get install chromium');
  return found;
}

export function browser() {
  // No sandbox as root: Chromium refuses to start there otherwise. What is opened are files that the tests wrote.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  started ??= puppeteer.launch({ executablePath: executable(), headless: true, args: [...root, '--disable-gpu', '--disable-dev-shm-usage',
    '--hide-scrollbars', '--no-first-run', '--force-color-profile=srgb', '--font-render-hinting=none'] });
  return started;
}

export async function close() {
  if (started) await (await started).close();
  started = null;
  if (!process.env.CPROF_PAGE_SCRATCH) rmSync(SCRATCH, { recursive: true, force: true });
}

/**
 * Opens a report. What must not happen is collected in page.faults.
 * @param {string} file or the address of a page that follows a session, which may ask below it
 * @param {{hash?: string, dark?: boolean, width?: number, height?: number, scale?: number, still?: boolean, print?: boolean}} [options]
 */
export async function open(file, options = {}) {
  const page = await (await browser()).newPage();
  const isLive = file.startsWith('http:'), url = isLive ? file : pathToFileURL(file).href;
  page.faults = [];
  page.file = file;
  await page.setViewport({ width: options.width ?? 1280, height: options.height ?? 900, deviceScaleFactor: options.scale ?? 1 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: options.dark ? 'dark' : 'light' },
    { name: 'prefers-reduced-motion', value: options.still ? 'reduce' : 'no-preference' }]);
  page.on('console', message => page.faults.push(`console: ${message.text()}`));
  page.on('pageerror', error => page.faults.push(`error: ${error.stack || error}`));
  page.on('request', request => {
    const wanted = request.url();
    if (wanted.split('#')[0] !== url && !(isLive && wanted.startsWith(url + 'live?')) && !wanted.startsWith('data:') && !wanted.startsWith('blob:')) page.faults.push(`request: ${wanted}`);
  });
  page.on('dialog', async dialog => { page.faults.push(`dialog: ${dialog.message()}`); await dialog.dismiss(); });
  await page.goto(url + (options.hash ? '#' + options.hash : ''), { waitUntil: 'load' });
  await ready(page);
  return page;
}

/** The page has read its data and drawn what it was asked for. */
export async function ready(page) {
  await page.waitForFunction(() => document.documentElement.dataset.ready === '1');
  await drawn(page);
}

/** Two pictures have passed: what was asked for before is on the screen. */
export const drawn = page => page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));

/**
 * What axe finds wrong in a part of the page, one line each.
 * @param {string} [part] @param {string[]} [rules] all, if not given
 */
export async function violations(page, part = 'body', rules = []) {
  // The page's Content-Security-Policy has no room for scripts of others: the driver evaluates it instead.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(readFileSync(AXE, 'utf8'));
  const result = await page.evaluate((p, only) => axe.run(p === 'body' ? document : p, { resultTypes: ['violations'], ...only.length ? { runOnly: only } : {} }), part, rules);
  return result.violations.flatMap(v => v.nodes.map(n => `${v.id} (${v.impact}): ${n.target.join(' ')}: ${n.failureSummary?.split('\n')[1]?.trim() ?? v.help}`));
}

/** How much wider the page is than the window, in pixels. */
export const overflow = page => page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - innerWidth));

/** Lets downloads of this page end in a directory, and waits for the next. */
export async function download(page, start) {
  const directory = mkdtempSync(path.join(SCRATCH, 'download-'));
  const session = await page.createCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: directory });
  await start();
  for (let i = 0; i < 1000; i++) {
    const [name] = readdirSync(directory).filter(n => !n.endsWith('.crdownload'));
    if (name) return path.join(directory, name);
    await new Promise(done => setTimeout(done, 20));
  }
  throw new Error('nothing was downloaded');
}
