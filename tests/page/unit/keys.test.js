// SPDX-License-Identifier: Apache-2.0
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addKeys, allKeys, nameOfKey, rowOf, takesText } from '../../../report/access/keys.js';

const element = (tagName, more = {}) => ({ tagName, ...more });
const press = (key, more = {}) => rowOf({ key, target: element('BODY'), ctrlKey: false, altKey: false, metaKey: false, defaultPrevented: false, ...more })?.text;

test('a key is for the row that names it, but not in a text field, and not with Control', () => {
  let is = true;
  addKeys([{ keys: ['n', 'F3'], text: 'next', run: () => {} }, { keys: ['Escape'], text: 'back', run: () => {} },
    { keys: ['x'], text: 'sometimes', run: () => {}, when: () => is }, { keys: ['ArrowUp'], text: 'the picture listens itself' }]);
  addKeys([{ keys: ['n', 'F3'], text: 'next', run: () => {} }]);
  assert.equal(allKeys().length, 4, 'what is registered twice is there once');
  assert.equal(press('n'), 'next');
  assert.equal(press('F3'), 'next');
  assert.equal(press('n', { target: element('INPUT', { type: 'search' }) }), undefined);
  assert.equal(press('Escape', { target: element('INPUT', { type: 'search' }) }), 'back');
  assert.equal(press('n', { ctrlKey: true }), undefined);
  assert.equal(press('n', { defaultPrevented: true }), undefined);
  assert.equal(press('ArrowUp'), undefined);
  assert.equal(press('x'), 'sometimes');
  is = false;
  assert.equal(press('x'), undefined);
});

test('text fields are those where letters are text', () => {
  assert.equal(takesText(element('INPUT', { type: 'checkbox' })), false);
  assert.equal(takesText(element('TEXTAREA')), true);
  assert.equal(takesText(element('SELECT')), true);
  assert.equal(takesText(null), false);
  assert.equal(nameOfKey('ArrowLeft') + nameOfKey('q'), '←q');
});
