// SPDX-License-Identifier: Apache-2.0
// Elements. Names out of profiles are anybody's, so that text becomes text and never markup.

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Record<string, any>} [props] Properties; of aria-* and data-* and role, attributes.
 * @param {...(Node | string | null | undefined | false)} children @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (key.includes('-') || key === 'role' || key === 'for') element.setAttribute(key, String(value));
    else /** @type {any} */ (element)[key === 'class' ? 'className' : key] = value;
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter(child => child !== null && child !== undefined && child !== false)));
  return element;
}

/**
 * The page's own element.
 * @param {string} id @returns {HTMLElement}
 */
export function get(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error('the page has no #' + id);
  return element;
}

export { say as announce } from '../access/say.js';

export const isDark = () => document.documentElement.dataset.theme === 'dark';

/**
 * What a container's view keeps between renderings, made once.
 * @template T @param {HTMLElement} container @param {() => T} make @returns {T}
 */
export function kept(container, make) {
  const holder = /** @type {any} */ (container);
  return holder.kept || (holder.kept = make());
}

/**
 * The place of what hovers over the page.
 * @param {HTMLElement} tip @param {number} x @param {number} y
 */
export function placeTip(tip, x, y) {
  tip.style.display = 'block';
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - w - 8)) + 'px';
  tip.style.top = (y + 20 + h > innerHeight ? Math.max(4, y - h - 12) : y + 18) + 'px';
}

/**
 * Gives the browser a file to save.
 * @param {string} name @param {BlobPart} content @param {string} type
 */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = make('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/**
 * For members of classes that the first rendering sets.
 * @type {any}
 */
export const later = undefined;
