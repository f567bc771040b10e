// SPDX-License-Identifier: Apache-2.0
// What a screen reader says when something changes that it does not see, such as the frame that arrow keys choose in a picture.

/** @type {HTMLElement | null} */
let region = null;

/** The region is there before anything is said: screen readers listen to regions that they know. */
export function prepare() {
  if (region) return region;
  region = document.createElement('div');
  region.className = 'unseen';
  region.id = 'said';
  region.setAttribute('role', 'status');
  region.setAttribute('aria-live', 'polite');
  document.body.append(region);
  return region;
}

/** @param {string} text */
export function say(text) { prepare().textContent = text; }
