// SPDX-License-Identifier: Apache-2.0
// Names and files that somebody made to harm who looks: all of them are text, and what cannot be read is said.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SCRATCH, close, drawn, open, overflow } from '../lib/chromium.js';
import { NAMES, hostile, writeHostile } from '../lib/hostile.js';
import { makeReport, press, rows, show, viewNames } from '../lib/report.js';

after(close);

const harmed = page => page.evaluate(() => window.harmed || ({}).polluted || document.querySelectorAll('main script, main img, main svg[onload]').length);

test('names are text in every view', async () => {
  const directory = path.join(SCRATCH, 'hostile');
  writeHostile(directory);
  const file = makeReport('hostile', path.join(directory, 'names.pprof'));
  for (const options of [{ hash: 'view=table' }, { hash: 'group=label+key3' }, { width: 390 }]) {
    const page = await open(file, options);
    for (const name of await viewNames(page)) {
      await show(page, name);
      assert.equal(await overflow(page), 0, name);
    }
    await show(page, 'Functions');
    await press(page, 'Filter');
    const shown = new Set((await rows(page)).map(r => r.name));
    for (const name of NAMES) assert.ok(shown.has(name.replaceAll('|', '/')), JSON.stringify(name).slice(0, 60));
    assert.equal(await harmed(page), 0);
    assert.deepEqual(page.faults, []);
    await page.close();
  }
});

test('an address may hold anything', async () => {
  const file = path.join(SCRATCH, 'hostile.html'), bad = encodeURIComponent(NAMES[0]);
  for (const hash of [`search=${bad}&fn=${bad}&view=sandwich`, `kind=${bad}&view=${bad}&program=${bad}&type=99`, 'span=9-1&base=span:x&norm=__proto__&zoom=1.2.999.x',
    `focus=(((&hide=[&thread=${bad}`, `group=${bad}&colour=${bad}&sort=${bad}`, '%%%&=&__proto__=1&constructor=2', 'regex=1&search=(a%2B)%2B%24']) {
    const page = await open(file, { hash });
    assert.equal(await harmed(page), 0, hash);
    assert.deepEqual(page.faults, [], hash);
    await page.close();
  }
});

test('files that cannot be read are named, and change nothing', async () => {
  const page = await open(path.join(SCRATCH, 'hostile.html'));
  for (const [name, data] of Object.entries(hostile())) {
    await page.evaluate(async (text, name) => {
      document.getElementById('problems').hidden = true;
      const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)), transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }, Buffer.from(data).toString('base64'), name);
    if (!name.startsWith('bad')) { await drawn(page); continue; }
    await page.waitForFunction(() => !document.getElementById('problems').hidden, { timeout: 20000 });
    assert.match(await page.$eval('#problems', e => e.textContent), new RegExp(name), name);
  }
  assert.equal(await harmed(page), 0);
  assert.deepEqual(page.faults, []);
  await page.close();
  assert.ok(!readFileSync(path.join(SCRATCH, 'hostile.html'), 'utf8').includes('window.harmed=1</script>'));
});
