// Event envelopes: each rule with what breaks it and what keeps it.

import { readEvent } from '../event.mjs'
import { ALICE, many, nested, spread } from './made.mjs'

const bytes = value => Buffer.from(JSON.stringify(value))
const named = eventName => bytes({ eventName, data: {} })
export const events = spread(readEvent, {
  'event.utf8': [Buffer.from([0x22, 0xc3, 0x22]), named('x')],
  'event.json': [Buffer.from('nonsense'), named('x')],
  'event.members': [bytes({ eventName: 'x', other: 1 }), bytes({ eventName: 'x' })],
  'event.size': [bytes({ eventName: 'x', data: 'y'.repeat(1_048_576) }), bytes({ eventName: 'x', data: 'y'.repeat(1_048_000) })],
  'event.depth': [bytes({ eventName: 'x', data: nested(64) }), bytes({ eventName: 'x', data: nested(63) })],
  'event.nodes': [bytes({ eventName: 'x', data: many(100_000, () => 1) }), bytes({ eventName: 'x', data: many(99_000, () => 1) })],
  'event.number': [Buffer.from('{"eventName":"x","data":-0}'), Buffer.from('{"eventName":"x","data":0}')],
  'event.name': [named(`sendMessage-${ALICE}-${'b'.repeat(178)}`), named(`sendMessage-${ALICE}-${'b'.repeat(177)}`)],
  'event.name-reserved': [named('disconnect'), named('disconnected')],
  'event.name-control': [named(`sendMessage-${ALICE}-a\u202e`), named(`sendMessage-${ALICE}-a b`)]
})
