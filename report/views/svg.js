// SPDX-License-Identifier: Apache-2.0
// Elements of pictures.

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...(Node | string)} children */
export function shape(tag, attributes, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}
