// SPDX-License-Identifier: Apache-2.0
// The data block of the page: JSON in <script type="application/json" id="data">, written by analysis/page/ or, for a
// running session, by the uploader.

/** @typedef {import('../model/types.js').Data} Data */
/** @typedef {import('../model/types.js').DataFile} DataFile */

/** @param {string} base64 @returns {Uint8Array} */
export function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** @param {any} file @returns {DataFile} */
const fileOf = file => ({
  side: file.side || 0, program: file.program || '', service: file.service || file.program || '', kind: file.kind || '',
  part: file.part === 'interval' ? 'interval' : 'whole', start: file.start || 0, end: file.end || 0,
  name: file.name || '', bytes: bytesOf(file.data || ''),
});

/** @param {string} json The block's text; one that cannot be read is a page without data. @returns {Data} */
export function readData(json) {
  /** @type {any} */
  let raw = {};
  try { raw = JSON.parse(json); } catch (error) { /* the page by itself, while it is worked on */ }
  const left = raw.left_out || {};
  return {
    version: raw.version || '', live: raw.live || '',
    sides: (raw.sides?.length ? raw.sides : [{}]).map((/** @type {any} */ s) => ({ name: s.name || '' })),
    files: (raw.files || []).map(fileOf),
    leftOut: { intervals: left.intervals || 0, bytes: left.bytes || 0, programs: left.programs || 0 },
    view: raw.view || '',
    texts: raw.texts || {},
    sources: Object.assign(Object.create(null), raw.sources),
  };
}

/**
 * The data block of a whole page, as a report that is dropped onto another one has it.
 * @param {string} html
 */
export function dataOfPage(html) {
  const mark = html.indexOf('id="data"'), begin = html.indexOf('>', mark), end = html.indexOf('</script>', begin);
  return mark < 0 || end < 0 ? null : html.slice(begin + 1, end);
}
