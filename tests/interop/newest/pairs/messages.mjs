// Authentication messages: each rule with what breaks it and what keeps it.

import { toBase64 } from '../bytes.mjs'
import { checkMessage } from '../message.mjs'
import { ALICE, BOB, b64, general, many, nested, spread } from './made.mjs'

const response = change => ({
  version: '0.1', messageType: 'initialResponse', identityKey: ALICE, initialNonce: b64(48), yourNonce: b64(48), signature: [48], ...change
})
const withRequested = requestedCertificates => general({ requestedCertificates })
const holed = () => { const list = ['a', 'b']; delete list[0]; return list }
const circular = () => { const value = {}; value.self = value; return value }
/** A key whose x is not on the curve: a third of the values is found soon. */
const offCurve = () => {
  for (let n = 5; ; n++) {
    const candidate = `02${n.toString(16).padStart(64, '0')}`
    try {
      checkMessage(general({ identityKey: candidate }))
    } catch {
      return candidate
    }
  }
}

export const messages = spread(checkMessage, {
  'message.object': [['not', 'an', 'object'], general()],
  'message.keys': [general({ extra: JSON.parse('{"__proto__":1}') }), general({ extra: { proto: 1 } })],
  'message.dense': [general({ extra: holed() }), general({ extra: ['a', 'b'] })],
  'message.finite': [general({ extra: Infinity }), general({ extra: 1e300 })],
  'message.acyclic': [general({ extra: circular() }), general({ extra: { self: {} } })],
  'message.depth': [general({ extra: nested(64) }), general({ extra: nested(63) })],
  'message.nodes': [general({ extra: many(100_000, () => 'x') }), general({ extra: many(99_000, () => 'x') })],
  'message.bytes': [
    general({ payload: new Array(4_194_250).fill(7) }), general({ payload: new Array(4_194_100).fill(7) })
  ],
  'message.version': [general({ version: '1.0' }), general()],
  'message.type': [general({ messageType: 'toString' }), general()],
  'message.identity.form': [general({ identityKey: ALICE.toUpperCase() }), general()],
  'message.identity.curve': [general({ identityKey: offCurve() }), general()],
  'message.nonce.base64': [general({ nonce: `${b64(32).slice(0, 42)}B=` }), general({ nonce: toBase64(new Uint8Array(32)) })],
  'message.nonce.session': [response({ initialNonce: b64(111).slice(0, 128) }), response()],
  'message.nonce.message': [general({ nonce: b64(48) }), general()],
  'message.signature': [general({ signature: [] }), general({ signature: new Array(1024).fill(0) })],
  'message.payload': [general({ payload: [256] }), general({ payload: [] })],
  'message.certificates': [general({ certificates: many(101, () => ({})) }), general({ certificates: [] })],
  'requested.object': [withRequested(null), withRequested({ certifiers: [], types: {} })],
  'requested.certifiers': [withRequested({ certifiers: [ALICE, ALICE], types: {} }), withRequested({ certifiers: [ALICE, BOB], types: {} })],
  'requested.types': [
    withRequested({ certifiers: [], types: { [b64(31)]: [] } }), withRequested({ certifiers: [], types: { [b64(32)]: [] } })
  ],
  'requested.fields': [
    withRequested({ certifiers: [], types: { [b64(32)]: ['x'.repeat(51)] } }),
    withRequested({ certifiers: [], types: { [b64(32)]: ['x'.repeat(50)] } })
  ]
})
