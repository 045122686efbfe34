// Requests and replies of HTTP: each rule with what breaks it and what keeps it.

import { randomBytes } from 'node:crypto'

import { Writer, toBase64, varint } from '../bytes.mjs'
import { checkReply, readReply, requestPayload } from '../http-message.mjs'
import { ALICE, b64, many, spread } from './made.mjs'

export const REQUEST = randomBytes(32)
const replyHeaders = change => Object.entries({
  'x-bsv-auth-version': '0.1',
  'x-bsv-auth-identity-key': ALICE,
  'x-bsv-auth-nonce': b64(32),
  'x-bsv-auth-your-nonce': b64(48),
  'x-bsv-auth-signature': '30'.repeat(70),
  'x-bsv-auth-request-id': toBase64(REQUEST),
  ...change
}).filter(([, value]) => value !== undefined)
const reply = (change, { status = 200, body = '{}' } = {}) => ({ status, headers: replyHeaders(change), body: Buffer.from(body) })
const custom = (count, name, value) => Object.fromEntries(many(count, n => [`x-bsv-${name}${n}`, value]))
const fresh = random => ({ 'x-bsv-auth-nonce': random })

export const replies = spread(value => checkReply(value, REQUEST), {
  'reply.length': [reply({ 'content-length': '2, 2' }), reply({ 'content-length': '2' })],
  'reply.body': [reply({}, { body: 'x'.repeat(16_777_217) }), reply({}, { body: 'x' })],
  'reply.unsigned': [reply({ 'x-bsv-auth-signature': undefined }), reply()],
  'reply.version': [reply({ 'x-bsv-auth-version': '1.0' }), reply()],
  'reply.request-id': [reply({ 'x-bsv-auth-request-id': b64(16) }), reply()],
  'reply.request-id-own': [reply({ 'x-bsv-auth-request-id': b64(32) }), reply()],
  'reply.nonce': [reply(fresh(b64(48))), reply(fresh(b64(32)))],
  'reply.your-nonce': [reply({ 'x-bsv-auth-your-nonce': b64(32) }), reply()],
  'reply.signature': [reply({ 'x-bsv-auth-signature': '3' }), reply()],
  'reply.type': [reply({ 'x-bsv-auth-message-type': 'initialResponse' }), reply({ 'x-bsv-auth-message-type': 'general' })],
  'reply.header-count': [reply(custom(129, 'a', 'b')), reply(custom(128, 'a', 'b'))],
  'reply.header-name': [reply({ [`x-bsv-${'a'.repeat(251)}`]: 'b' }), reply({ [`x-bsv-${'a'.repeat(250)}`]: 'b' })],
  'reply.header-value': [reply({ 'x-bsv-a': 'b'.repeat(8_193) }), reply({ 'x-bsv-a': 'b'.repeat(8_192) })],
  'reply.header-sum': [reply(custom(9, 'a', 'b'.repeat(8_000))), reply(custom(8, 'a', 'b'.repeat(8_000)))],
  'reply.requested': [
    reply({ 'x-bsv-auth-requested-certificates': ' '.repeat(65_537) }),
    reply({ 'x-bsv-auth-requested-certificates': '{"certifiers":[],"types":{}}' })
  ],
  'reply.payload': [reply({}, { body: 'x'.repeat(4_194_155) }), reply({}, { body: 'x'.repeat(4_194_000) })]
})

const canonical = ({ status = varint(200), headers = varint(0), body = varint(-1), rest = [] } = {}) =>
  Buffer.concat([REQUEST, status, headers, body, Buffer.from(rest)])
const pair = (name, value) => new Writer().number(1).sized(name).sized(value).done()

export const canonicals = spread(readReply, {
  'reply.status': [canonical({ status: varint(600) }), canonical({ status: varint(599) })],
  'reply.varint': [canonical({ headers: Buffer.from([0xfd, 0, 0]) }), canonical({ headers: Buffer.from([0]) })],
  'reply.trailing': [canonical({ rest: [0] }), canonical()],
  'reply.utf8': [canonical({ headers: pair('x-bsv-a', [0xc3]) }), canonical({ headers: pair('x-bsv-a', [0xc3, 0xa9]) })]
})

export const request = change => ({ method: 'POST', url: 'http://127.0.0.1/', headers: {}, body: undefined, ...change })
export const requests = spread(value => requestPayload(REQUEST, value), {
  'request.method': [request({ method: 'X'.repeat(33) }), request({ method: 'X'.repeat(32) })],
  'request.path': [request({ url: `http://127.0.0.1/${'a'.repeat(8_192)}` }), request({ url: `http://127.0.0.1/${'a'.repeat(8_191)}` })],
  'request.query': [request({ url: `http://127.0.0.1/?${'a'.repeat(8_192)}` }), request({ url: `http://127.0.0.1/?${'a'.repeat(8_191)}` })],
  'request.headers': [request({ headers: { accept: 'x' } }), request({ headers: { authorization: 'x' } })],
  'request.header-value': [request({ headers: { 'x-bsv-a': 'b'.repeat(32_769) } }), request({ headers: { 'x-bsv-a': 'b'.repeat(32_768) } })],
  'request.payment-header': [
    request({ headers: { 'x-bsv-payment': 'b'.repeat(262_145) } }), request({ headers: { 'x-bsv-payment': 'b'.repeat(262_144) } })
  ],
  'request.payload': [request({ body: Buffer.alloc(4_194_200) }), request({ body: Buffer.alloc(4_194_000) })]
})
