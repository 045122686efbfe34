// For each rule a bad input that the conformance client refuses, by the name of the rule, and its good twin.
// No server is needed: node --test newest/rules.test.mjs

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'

import { PrivateKey, ProtoWallet } from '@bsv/sdk'

import { AuthFetch } from './auth-fetch.mjs'
import { AuthSocket, FrameGate, checkSocketUrl } from './auth-socket.mjs'
import {
  checkDevices, checkHost, checkPage, checkPermission, checkPermissions, checkQuote, checkQuotes, checkRegistered,
  checkResults, checkSuccess
} from './box-replies.mjs'
import { Writer, toBase64, varint } from './bytes.mjs'
import { readEvent, writeEvent } from './event.mjs'
import { checkReply, readReply, requestPayload } from './http-message.mjs'
import { checkMessage } from './message.mjs'
import { MockServer } from './mock-server.mjs'
import { NativeWallet } from './native-wallet.mjs'
import { checkSecondChallenge, chooseTransport, multipart, readChallenge } from './payment.mjs'
import { Peer, makeNonce } from './peer.mjs'
import { Refusal } from './refusal.mjs'
import { RULES } from './rules.mjs'
import { Sessions } from './sessions.mjs'

const key = () => PrivateKey.fromRandom().toPublicKey().toString()
const [ALICE, BOB] = [key(), key()]
const b64 = count => toBase64(randomBytes(count))
const many = (count, of) => Array.from({ length: count }, (_, n) => of(n))
const TIME = '2026-11-29T18:00:00.000Z'

// Messages

const general = change => ({
  version: '0.1', messageType: 'general', identityKey: ALICE, nonce: b64(32), yourNonce: b64(48), payload: [1], signature: [48], ...change
})
const response = change => ({
  version: '0.1', messageType: 'initialResponse', identityKey: ALICE, initialNonce: b64(48), yourNonce: b64(48), signature: [48], ...change
})
const withRequested = requestedCertificates => general({ requestedCertificates })
const nested = depth => depth === 0 ? 1 : { a: nested(depth - 1) }
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

const messages = {
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
}

// Replies of HTTP

const REQUEST = randomBytes(32)
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

const replies = {
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
}

// Canonical replies

const canonical = ({ status = varint(200), headers = varint(0), body = varint(-1), rest = [] } = {}) =>
  Buffer.concat([REQUEST, status, headers, body, Buffer.from(rest)])
const pair = (name, value) => new Writer().number(1).sized(name).sized(value).done()

const canonicals = {
  'reply.status': [canonical({ status: varint(600) }), canonical({ status: varint(599) })],
  'reply.varint': [canonical({ headers: Buffer.from([0xfd, 0, 0]) }), canonical({ headers: Buffer.from([0]) })],
  'reply.trailing': [canonical({ rest: [0] }), canonical()],
  'reply.utf8': [canonical({ headers: pair('x-bsv-a', [0xc3]) }), canonical({ headers: pair('x-bsv-a', [0xc3, 0xa9]) })]
}

// Requests

const request = change => ({ method: 'POST', url: 'http://127.0.0.1/', headers: {}, body: undefined, ...change })
const requests = {
  'request.method': [request({ method: 'X'.repeat(33) }), request({ method: 'X'.repeat(32) })],
  'request.path': [request({ url: `http://127.0.0.1/${'a'.repeat(8_192)}` }), request({ url: `http://127.0.0.1/${'a'.repeat(8_191)}` })],
  'request.query': [request({ url: `http://127.0.0.1/?${'a'.repeat(8_192)}` }), request({ url: `http://127.0.0.1/?${'a'.repeat(8_191)}` })],
  'request.headers': [request({ headers: { accept: 'x' } }), request({ headers: { authorization: 'x' } })],
  'request.header-value': [request({ headers: { 'x-bsv-a': 'b'.repeat(32_769) } }), request({ headers: { 'x-bsv-a': 'b'.repeat(32_768) } })],
  'request.payment-header': [
    request({ headers: { 'x-bsv-payment': 'b'.repeat(262_145) } }), request({ headers: { 'x-bsv-payment': 'b'.repeat(262_144) } })
  ],
  'request.payload': [request({ body: Buffer.alloc(4_194_200) }), request({ body: Buffer.alloc(4_194_000) })]
}

// Payments of requests

const challenge = change => new Headers(Object.entries({
  'x-bsv-payment-version': '1.0',
  'x-bsv-payment-satoshis-required': '10',
  'x-bsv-payment-derivation-prefix': 'AAAA',
  ...change
}).filter(([, value]) => value !== undefined))
const TXID = 'ab'.repeat(32)

const challenges = {
  'payment.version': [challenge({ 'x-bsv-payment-version': '1' }), challenge()],
  'payment.satoshis': [challenge({ 'x-bsv-payment-satoshis-required': '0' }), challenge({ 'x-bsv-payment-satoshis-required': '1' })],
  'payment.prefix': [challenge({ 'x-bsv-payment-derivation-prefix': 'AAA' }), challenge({ 'x-bsv-payment-derivation-prefix': 'AAA=' })],
  'payment.transports': [
    challenge({ 'x-bsv-payment-transports': 'pigeon' }), challenge({ 'x-bsv-payment-transports': 'header,multipart' })
  ],
  'payment.known-txids': [
    challenge({ 'x-bsv-payment-known-txids': many(257, () => TXID).join(',') }), challenge({ 'x-bsv-payment-known-txids': `${TXID},${TXID}` })
  ]
}
const paymentOf = length => ({ derivationPrefix: 'AAAA', derivationSuffix: 'AAAA', transaction: 'x'.repeat(length) })
const choose = ({ transports, length }) => chooseTransport(transports, paymentOf(length), request())

// Replies of the message box

const row = change => ({ messageId: '1', body: '{"message":"x"}', sender: ALICE, createdAt: TIME, updatedAt: TIME, ...change })
const page = change => ({ messages: [row()], limit: 1, offset: 0, nextOffset: 1, hasMore: true, ...change })
const permission = change => ({ sender: null, messageBox: 'inbox', recipientFee: 0, createdAt: TIME, updatedAt: TIME, ...change })
const device = change => ({
  id: 1, deviceId: null, platform: 'web', fcmToken: '...1234567890', active: true, createdAt: TIME, updatedAt: TIME, lastUsed: TIME, ...change
})
const quoteRow = change => ({ recipient: ALICE, messageBox: 'inbox', deliveryFee: 10, recipientFee: 0, status: 'always_allow', ...change })
const quotes = change => ({
  quotesByRecipient: [quoteRow(), quoteRow({ recipient: BOB })], totals: { deliveryFees: 20 }, blockedRecipients: [], ...change
})
const answer = change => JSON.stringify({ status: 'success', ...change })
const WANTED = { recipients: [ALICE, BOB], messageBox: 'inbox' }
const succeeds = ([status, body]) => {
  try {
    checkSuccess(status, body)
  } catch (error) {
    // What the server refused is shown: no rule of the client is broken.
    if (error instanceof Refusal) throw error
  }
}

const box = {
  'box.host': [checkHost, 'http://example.com', 'http://127.0.0.1:8080/api'],
  'box.success': [succeeds, [200, answer({ status: 'error' })], [200, answer()]],
  'box.code': [succeeds, [400, answer({ status: 'error', code: 'bad' })], [400, answer({ status: 'error', code: 'ERR_BAD' })]],
  'box.message': [succeeds, [200, answer({ message: ' x' })], [200, answer({ message: 'x' })]],
  'box.results': [
    results => checkResults({ results }, [[ALICE, '1'], [BOB, '2']]),
    [{ recipient: ALICE, messageId: '1' }, { recipient: ALICE, messageId: '1' }],
    [{ recipient: BOB, messageId: '2' }, { recipient: ALICE, messageId: '1' }]
  ],
  'box.list-row': [checkPage, page({ messages: [row({ updatedAt: null })] }), page()],
  'box.list-page': [checkPage, page({ hasMore: undefined }), page()],
  'box.permission': [checkPermission, {}, { permission: null }],
  'box.permission-list': [checkPermissions, { permissions: [permission({ createdAt: undefined })] }, { permissions: [permission()] }],
  'box.quote': [checkQuote, { quote: { deliveryFee: '10', recipientFee: 0 } }, { quote: { deliveryFee: 10, recipientFee: -1 } }],
  'box.quote-status': [
    value => checkQuotes(value, WANTED),
    quotes({ quotesByRecipient: [quoteRow({ recipientFee: 5 }), quoteRow({ recipient: BOB })] }),
    quotes({ quotesByRecipient: [quoteRow({ recipientFee: 5, status: 'payment_required' }), quoteRow({ recipient: BOB })] })
  ],
  'box.quote-totals': [value => checkQuotes(value, WANTED), quotes({ totals: { deliveryFees: 10 } }), quotes()],
  'box.quote-blocked': [value => checkQuotes(value, WANTED), quotes({ blockedRecipients: [BOB] }), quotes()],
  'box.registered': [
    checkRegistered, { status: 'success', message: 'x', deviceId: '1' }, { status: 'success', message: 'x', deviceId: 1 }
  ],
  'box.device': [checkDevices, { devices: [device({ fcmToken: 'x'.repeat(65) })] }, { devices: [device()] }],
  'box.device-time': [checkDevices, { devices: [device({ lastUsed: null })] }, { devices: [device()] }]
}

// Events

const bytes = value => Buffer.from(JSON.stringify(value))
const named = eventName => bytes({ eventName, data: {} })
const events = {
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
}

/** All of them as `rule: [check, bad, good]`. */
const spread = (check, table) => Object.fromEntries(Object.entries(table).map(([rule, twins]) => [rule, [check, ...twins]]))
const pairs = {
  ...spread(checkMessage, messages),
  ...spread(value => checkReply(value, REQUEST), replies),
  ...spread(readReply, canonicals),
  ...spread(value => requestPayload(REQUEST, value), requests),
  ...spread(readChallenge, challenges),
  ...spread(readEvent, events),
  ...box,
  'payment.transport-needed': [choose, { transports: ['header'], length: 13_000 }, { transports: ['header', 'multipart'], length: 13_000 }],
  'payment.limit': [length => multipart(paymentOf(length), request()), 4_194_305, 4_000_000],
  'payment.changed': [
    headers => checkSecondChallenge(readChallenge(challenge()), headers),
    challenge({ 'x-bsv-payment-satoshis-required': '11' }), challenge()
  ],
  'socket.url': [checkSocketUrl, 'http://example.com', 'https://example.com']
}

for (const [rule, [check, bad, good]] of Object.entries(pairs)) {
  test(`${rule}: ${RULES[rule]}`, () => {
    assert.throws(() => check(bad), error => error instanceof Refusal && error.rule === rule)
    check(good)
  })
}

// Rules of state: two peers that talk to each other without a network.

const covered = new Set(Object.keys(pairs))

function refuses (rule, bad, good) {
  covered.add(rule)
  test(`${rule}: ${RULES[rule]}`, async () => {
    await assert.rejects(bad, error => {
      assert.equal(error.rule, rule, error.stack)
      return true
    })
    await good()
  })
}

/** A client and a server; `wire` sees, and may change, each message before it arrives. */
function couple (options = {}, wire = message => message) {
  const party = () => new NativeWallet(PrivateKey.fromRandom())
  const server = new Peer({ wallet: party(), send: async message => await client.receive(await wire(message, 'client')) })
  const client = new Peer({ wallet: party(), send: async message => await server.receive(await wire(message, 'server')), ...options })
  return { client, server }
}

/** A general message from the server, after a handshake of the client. */
async function answered (options) {
  const peers = couple(options)
  const { client, server } = peers
  const session = await client.handshake()
  const [own] = server.sessions.of(await client.identity())
  const next = async (payload = [1], change = {}) => ({ ...await server.compose(payload, own), ...change })
  return { ...peers, session, own, next }
}

const tampered = change => couple({}, (message, to) => to === 'client' ? change(message) : message)
const handshake = ({ client }) => client.handshake()
const plain = () => handshake(couple())

refuses('session.own-nonce',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { yourNonce: b64(48) }))
  },
  async () => {
    const { client, next } = await answered()
    await client.receive(await next())
  })
refuses('session.known',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { yourNonce: await makeNonce(client.wallet) }))
  }, plain)
refuses('session.identity',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { identityKey: BOB }))
  }, plain)
refuses('session.signature',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { payload: [2] }))
  }, plain)
refuses('session.replay',
  async () => {
    const { client, next } = await answered()
    const message = await next()
    await client.receive(message)
    await client.receive(message)
  },
  async () => {
    const { client, next } = await answered()
    await client.receive(await next())
    await client.receive(await next())
  })
refuses('session.request-replay',
  async () => {
    const { client } = couple()
    const { server } = couple()
    const request = {
      version: '0.1', messageType: 'initialRequest', identityKey: await server.identity(), initialNonce: b64(48)
    }
    client.send = () => {}
    await client.receive(request)
    await client.receive(request)
  }, plain)
refuses('session.response-replay',
  async () => {
    let kept
    const { client } = tampered(message => { kept = message; return message })
    await client.handshake()
    await client.receive(kept)
  }, plain)
refuses('session.expected',
  async () => { await couple().client.handshake(BOB) },
  async () => {
    const { client, server } = couple()
    await client.handshake(await server.identity())
  })
refuses('session.response-time',
  async () => { await new Peer({ wallet: couple().client.wallet, send: () => {}, responseTime: 20 }).handshake() }, plain)
refuses('session.idle',
  async () => {
    let now = 0
    const { client, next } = await answered({ sessions: new Sessions({}, () => now) })
    const late = await next()
    now = 30 * 60_000
    await client.receive(late)
  },
  async () => {
    let now = 0
    const { client, next } = await answered({ sessions: new Sessions({}, () => now) })
    for (let n = 0; n < 3; n++) {
      now += 29 * 60_000
      await client.receive(await next())
    }
  })
refuses('session.nonces',
  async () => {
    const { client, next } = await answered({ sessions: new Sessions({ nonces: 3 }) })
    for (let n = 0; n < 3; n++) await client.receive(await next())
  },
  async () => {
    const { client, next } = await answered({ sessions: new Sessions({ nonces: 4 }) })
    for (let n = 0; n < 3; n++) await client.receive(await next())
  })
const filled = (count, limits, isAuthenticated, peerIdentityKey) => {
  const sessions = new Sessions(limits)
  for (let n = 0; n < count; n++) sessions.add({ sessionNonce: `${n}`, peerIdentityKey, isAuthenticated })
}
refuses('session.capacity', async () => filled(4, { sessions: 3 }, true, ALICE), async () => filled(4, { sessions: 3 }, false, ALICE))
refuses('session.per-identity', async () => filled(257, {}, true, ALICE), async () => filled(256, {}, true, ALICE))
refuses('session.certificates',
  async () => {
    const { client } = couple({ requested: { certifiers: [ALICE], types: {} } })
    await client.toPeer([1])
  },
  async () => { await couple().client.toPeer([1]) })
refuses('socket.frames',
  async () => {
    const gate = new FrameGate(() => new Promise(() => {}))
    await Promise.all(many(33, () => gate.take({})))
  },
  async () => {
    const gate = new FrameGate(() => new Promise(resolve => setTimeout(resolve, 5)))
    await Promise.all(many(32, () => gate.take({})))
    assert.equal(gate.peak, 32)
  })

/** A Socket.IO connection without a network. */
class Wire {
  handlers = new Map()
  connected = true

  on (name, handler) {
    this.handlers.set(name, handler)
  }

  emit () {}

  disconnect () {
    this.connected = false
  }
}

const openSocket = () => new AuthSocket('http://127.0.0.1', { wallet: couple().client.wallet, transport: new Wire() })
refuses('socket.identity',
  async () => {
    const socket = openSocket()
    for (const identity of [ALICE, BOB]) socket.take(identity, writeEvent('x'))
  },
  async () => {
    const socket = openSocket()
    for (const identity of [ALICE, ALICE]) socket.take(identity, writeEvent('x'))
  })

test('a bad frame cuts the connection', async () => {
  const wire = new Wire()
  const socket = new AuthSocket('http://127.0.0.1', { wallet: couple().client.wallet, transport: wire })
  await wire.handlers.get('authMessage')(general({ nonce: b64(48) }))
  assert.equal(wire.connected, false)
  assert.equal(socket.refusal.rule, 'message.nonce.message')
})

// Rules of the flow: a mock server that signs as a server must, and errs where it is told to.

let mock
before(async () => { mock = await MockServer.start() })
after(() => mock.stop())

const wallet = () => new NativeWallet(PrivateKey.fromRandom())
/** A request of a new client to the mock server that behaves like this. */
const ask = async (behaviour, options, { count = 1, client = new AuthFetch(wallet(), options) } = {}) => {
  const origin = mock.reset(behaviour)
  let reply
  for (let n = 0; n < count; n++) reply = await client.fetch(`${origin}/x`, { method: 'GET' })
  return reply
}
const steps = (...list) => ({ steps: list })

refuses('reply.time',
  () => ask({ always: { hang: true } }, { replyTime: 300 }), () => ask({}, { replyTime: 5_000 }))
refuses('reply.connection', () => ask({ always: { cut: true } }), () => ask({}))
refuses('reply.handshake-status', () => ask({ handshake: { status: 400 } }), () => ask({ handshake: { status: 201 } }))
refuses('reply.handshake-body', () => ask({ handshake: { body: 'nonsense' } }), () => ask({}))
refuses('reply.empty-body',
  () => ask({ always: { body: '', emptyAs: 0 } }).catch(error => {
    // The signature is over the length -1, so a server that signs 0 fails at the signature.
    assert.equal(error.rule, 'session.signature')
    throw new Refusal('reply.empty-body')
  }),
  () => ask({ always: { body: '', emptyAs: -1 } }))
refuses('reply.pinned',
  () => ask(steps({}, { rekey: true }, {}), {}, { count: 2 }).catch(error => {
    assert.ok(['reply.pinned', 'session.expected'].includes(error.rule), error.stack)
    throw new Refusal('reply.pinned')
  }),
  () => ask({}, {}, { count: 2 }))
refuses('recovery.attempts',
  () => ask({ always: { unsigned: 401 } }),
  async () => {
    const reply = await ask(steps({ unsigned: 401 }, { unsigned: 401 }, { unsigned: 401 }))
    assert.equal(reply.status, 200)
  })
refuses('recovery.pending',
  async () => {
    const client = new AuthFetch(wallet())
    client.pending = 1_000
    await ask({}, {}, { client })
  }, () => ask({}))

test('an unsigned answer of another status than 401 is an error', async () => {
  for (const unsigned of [400, 413, 429, 503]) {
    await assert.rejects(ask({ always: { unsigned } }), error => error.rule === 'reply.unsigned')
  }
})

/** A wallet that pays without a transaction that anybody could check. */
class CheapWallet extends NativeWallet {
  constructor (length = 10) {
    super(PrivateKey.fromRandom())
    this.length = length
    this.broadcast = 0
    this.aborted = 0
  }

  async createAction ({ options }) {
    if (options.sendWith !== undefined) this.broadcast++
    return { txid: TXID, tx: new Array(this.length).fill(1) }
  }

  async abortAction () {
    this.aborted++
  }
}

const PRICED = { status: 402, body: '{"status":"error","code":"ERR_PAYMENT_REQUIRED"}', headers: Object.fromEntries(challenge().entries()) }
const pricedBy = change => ({ ...PRICED, headers: Object.fromEntries(challenge(change).entries()) })
const pay = (behaviour, purse = new CheapWallet(), options) => ask(behaviour, options, { client: new AuthFetch(purse, options) })

refuses('payment.outcome', () => pay(steps(PRICED, PRICED, PRICED, PRICED)), async () => {
  const reply = await pay(steps(PRICED, { unsigned: 503 }, {}))
  assert.equal(reply.status, 200)
  assert.equal(mock.seen[1].headers['x-bsv-payment'], mock.seen[2].headers['x-bsv-payment'], 'the same payment')
})
refuses('payment.size', () => pay(steps(PRICED, { unsigned: 431 })), () => pay(steps(PRICED, {})))

test('a second price after a payment is an end with its code', async () => {
  const raised = pricedBy({ 'x-bsv-payment-satoshis-required': '11' })
  await assert.rejects(pay(steps(PRICED, raised)), error => error.rule === 'payment.changed' && error.code === 'ERR_PAYMENT_REQUIREMENTS_CHANGED')
})

test('a payment that nothing takes is aborted and not broadcast', async () => {
  const purse = new CheapWallet(10_000)
  await assert.rejects(pay(steps(PRICED), purse), error => error.code === 'ERR_PAYMENT_TRANSPORT')
  assert.deepEqual([purse.broadcast, purse.aborted, mock.seen.length], [0, 1, 1])
})

test('a multipart request has its parts in order, and its type is signed as a whole', async () => {
  const boundary = '----BsvPayment00112233445566778899aabbccddeeff'
  const made = multipart(paymentOf(5), request({ headers: { 'content-type': 'application/json' }, body: Buffer.from('{"a":1}') }), boundary)
  assert.equal(made.body.toString(), [
    `--${boundary}`, 'Content-Disposition: form-data; name="x-bsv-payment"', 'Content-Type: application/json', '',
    '{"derivationPrefix":"AAAA","derivationSuffix":"AAAA","transaction":"xxxxx"}',
    `--${boundary}`, 'Content-Disposition: form-data; name="body"', 'Content-Type: application/json', '', '{"a":1}',
    `--${boundary}--`, ''
  ].join('\r\n'))
  const payload = requestPayload(REQUEST, request(made))
  assert.ok(payload.includes(`multipart/form-data; boundary=${boundary}`))
  const json = requestPayload(REQUEST, request({ headers: { 'content-type': 'application/json; charset=utf-8' } }))
  assert.ok(!json.includes('charset'))
})

test('large payments go as multipart where it is offered', () => {
  const both = ['header', 'multipart']
  assert.equal(choose({ transports: both, length: 100 }), 'header')
  assert.equal(choose({ transports: both, length: 9_000 }), 'multipart')
  assert.equal(choose({ transports: ['header'], length: 9_000 }), 'header')
  assert.equal(choose({ transports: ['multipart'], length: 100 }), 'multipart')
})

test('the golden request of the older clients has the same bytes', () => {
  const id = Buffer.from(many(32, n => n))
  const payload = requestPayload(id, request({
    url: 'http://127.0.0.1/listMessages', headers: { 'content-type': 'application/json' }, body: Buffer.from('{"messageBox":"inbox"}')
  }))
  assert.equal(payload.toString('hex'), `${id.toString('hex')}04504f53540d2f6c6973744d65737361676573ffffffffffffffffff01` +
    '0c636f6e74656e742d74797065106170706c69636174696f6e2f6a736f6e167b226d657373616765426f78223a22696e626f78227d')
})

test('the native wallet signs and verifies as the wallet of the SDK', async () => {
  for (let n = 0; n < 20; n++) {
    const [one, other] = [PrivateKey.fromRandom(), PrivateKey.fromRandom()]
    const data = [...randomBytes(n)]
    const args = (counterparty, more) => ({
      data, protocolID: [2, 'auth message signature'], keyID: `key ${n}`, counterparty: counterparty.toPublicKey().toString(), ...more
    })
    for (const [Signer, Verifier] of [[NativeWallet, ProtoWallet], [ProtoWallet, NativeWallet]]) {
      const { signature } = await new Signer(one).createSignature(args(other))
      const verifier = new Verifier(other)
      assert.ok((await verifier.verifySignature(args(one, { signature }))).valid)
      await assert.rejects(verifier.verifySignature(args(one, { signature, data: [...data, 1] })))
    }
  }
})

test('every rule has its pair', () => {
  // Only a clock and a server show these two.
  const elsewhere = ['scenario', 'socket.authenticated']
  assert.deepEqual(Object.keys(RULES).filter(rule => !covered.has(rule) && !elsewhere.includes(rule)), [])
  assert.ok(covered.size >= 60, `${covered.size} pairs`)
})
