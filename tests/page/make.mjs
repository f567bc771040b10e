// SPDX-License-Identifier: Apache-2.0
// make.mjs PAGE OUT DIRECTORY [DIRECTORY]: puts the profiles of one session's directory, or of two for a comparison,
// into the page, without cprof. For tests and for work on the page.
import { readFileSync, readdirSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';

const [page, out, ...sides] = process.argv.slice(2);
const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{3})Z-(.*)\.pb\.gz$/;

function filesOf(directory, side) {
  const files = [];
  for (const program of readdirSync(directory, { withFileTypes: true })) {
    if (!program.isDirectory()) continue;
    const at = join(directory, program.name), add = (name, more) =>
      files.push({ side, program: program.name, name, data: readFileSync(join(at, name)).toString('base64'), ...more });
    for (const name of readdirSync(at)) if (name.endsWith('.pb.gz')) add(name, { part: 'whole', kind: name.slice(0, -6) });
    const intervals = join(at, 'intervals');
    for (const name of existsSync(intervals) ? readdirSync(intervals).sort() : []) {
      const m = stamp.exec(name);
      if (m) add('intervals/' + name, { part: 'interval', kind: m[8], start: Date.UTC(+m[1], m[2] - 1, +m[3], +m[4], +m[5], +m[6], +m[7]) });
    }
  }
  return files;
}

const data = { version: 'test', live: '', sides: sides.map(name => ({ name })), files: sides.flatMap(filesOf),
               left_out: { intervals: 0, bytes: 0, programs: 0 }, view: '' };
const html = readFileSync(page, 'utf8').replace('<!--LIVE-->', '').replace('@DATA@', () => JSON.stringify(data).replace(/<\//g, '<\\/'));
writeFileSync(out, html);
console.log(out + ': ' + html.length + ' bytes');
