/**
 * Whiteouts and opaque markers.
 *
 * @module
 */
import { dir, file, type Item, symlink } from './archives.js'
import type { Row } from './row.js'

const LOWER: readonly Item[] = [dir('d'), file('d/a', '1'), file('d/b', '2'), file('x', '3')]

export const WHITEOUTS: readonly Row[] = [
  { why: '.wh. alone', layers: [LOWER, [file('.wh.')]], code: 'WHITEOUT_INVALID', pack: false },
  { why: 'a whiteout of ..', layers: [LOWER, [file('d/.wh...')]], code: 'WHITEOUT_INVALID', pack: false },
  { why: 'a whiteout of .', layers: [LOWER, [file('d/.wh..')]], code: 'WHITEOUT_INVALID', pack: false },
  {
    why: 'opaque before its siblings',
    layers: [LOWER, [dir('d'), file('d/.wh..wh..opq'), file('d/n')]],
    names: ['d/', 'd/n', 'x'],
  },
  {
    why: 'opaque after its siblings',
    layers: [LOWER, [dir('d'), file('d/n'), file('d/.wh..wh..opq')]],
    names: ['d/', 'd/n', 'x'],
  },
  {
    why: '.wh.x and x in one layer',
    layers: [LOWER, [file('.wh.x'), file('x', 'new')]],
    content: { x: 'new' },
  },
  {
    why: 'x and .wh.x in one layer',
    layers: [LOWER, [file('x', 'new'), file('.wh.x')]],
    content: { x: 'new' },
  },
  {
    why: 'a whiteout through a parent that is a symlink',
    layers: [[symlink('s', '../../../../canary')], [file('s/.wh.run')]],
    names: ['s@'],
  },
  {
    why: 'a file below a whiteout',
    layers: [LOWER, [file('.wh.d/x')]],
    code: 'WHITEOUT_INVALID',
    pack: false,
  },
]
