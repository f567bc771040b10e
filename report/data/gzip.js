// SPDX-License-Identifier: Apache-2.0
// gzip by the browser's own decompressor.

/** No profile that a browser could show is larger. A gzip file of 1 MB can claim 1 GB. */
export const MOST_BYTES = 768 << 20;

/** @param {Uint8Array} bytes */
export const isGzip = bytes => bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * The bytes as they are, or unpacked if they are gzip.
 * @param {Uint8Array} bytes @param {number} [most] @returns {Promise<Uint8Array>}
 */
export async function unpack(bytes, most = MOST_BYTES) {
  if (!isGzip(bytes)) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const reader = stream.getReader();
  /** @type {Uint8Array[]} */
  const chunks = [];
  let size = 0;
  try {
    for (let part; !(part = await reader.read()).done;) {
      size += part.value.length;
      if (size > most) throw new Error('larger than ' + (most >> 20) + ' MiB when unpacked');
      chunks.push(part.value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw new Error(size > most ? /** @type {Error} */ (error).message : 'the gzip data is damaged or cut off');
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
  return all;
}

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array>} */
export async function pack(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
