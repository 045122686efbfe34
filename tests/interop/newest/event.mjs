// The envelope of socket events as the newest clients write and read it (section 7.2).

import { strictText, utf8Length } from './bytes.mjs'
import { Refusal, demand } from './refusal.mjs'

const MAX_BYTES = 1_048_576
const MAX_NODES = 100_000
const MAX_DEPTH = 64
const RESERVED = new Set(['_unknown', 'connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'])
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

export function checkName (name) {
  const text = 'Event name is empty, reserved, or exceeds its limit'
  demand(typeof name === 'string' && name !== '' && utf8Length(name) <= 256, 'event.name', text)
  demand(!RESERVED.has(name), 'event.name-reserved', text)
  demand(!CONTROL.test(name), 'event.name-control', 'Event name contains control or bidirectional formatting characters')
}

function checkValue (value, depth, count) {
  demand(depth <= MAX_DEPTH, 'event.depth')
  demand(++count.nodes <= MAX_NODES, 'event.nodes')
  if (typeof value === 'number') demand(Number.isFinite(value) && !Object.is(value, -0), 'event.number')
  if (value === null || typeof value !== 'object') return
  for (const item of Array.isArray(value) ? value : Object.values(value)) checkValue(item, depth + 1, count)
}

function checkEvent (event) {
  demand(event !== null && typeof event === 'object' && !Array.isArray(event), 'event.json')
  demand(Object.hasOwn(event, 'eventName') && Object.keys(event).every(key => key === 'eventName' || key === 'data'), 'event.members')
  checkName(event.eventName)
  checkValue(event, 0, { nodes: 0 })
  return event
}

export function readEvent (payload) {
  demand(payload.length <= MAX_BYTES, 'event.size')
  const text = strictText(payload, () => { throw new Refusal('event.utf8') })
  let event
  try {
    event = JSON.parse(text)
  } catch {
    throw new Refusal('event.json', `an event is not JSON: ${text.slice(0, 80)}`)
  }
  return checkEvent(event)
}

export function writeEvent (eventName, data) {
  const event = checkEvent(data === undefined ? { eventName } : { eventName, data })
  const payload = Buffer.from(JSON.stringify(event), 'utf8')
  demand(payload.length <= MAX_BYTES, 'event.size')
  return payload
}
