// For each rule a bad input that the conformance client refuses, by the name of the rule, and its good twin.
// No server is needed: node --test newest/rules.test.mjs

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'

import { PrivateKey, ProtoWallet } from '@bsv/sdk'

import { AuthSocket, checkSocketUrl } from './auth-socket.mjs'
import { requestPayload } from './http-message.mjs'
import { NativeWallet } from './native-wallet.mjs'
import { box } from './pairs/box.mjs'
import { events } from './pairs/events.mjs'
import { CheapWallet, PRICED, ask, flows, mock, pay, pricedBy, steps } from './pairs/flows.mjs'
import { REQUEST, canonicals, replies, request, requests } from './pairs/http.mjs'
import { b64, general, many } from './pairs/made.mjs'
import { messages } from './pairs/messages.mjs'
import { choose, paymentOf, payments } from './pairs/payments.mjs'
import { Wire, couple, sessions } from './pairs/sessions.mjs'
import { multipart } from './payment.mjs'
import { Refusal } from './refusal.mjs'
import { RULES } from './rules.mjs'

before(() => mock.start())
after(() => mock.stop())

const pairs = {
  ...messages,
  ...replies,
  ...canonicals,
  ...requests,
  ...payments,
  ...box,
  ...events,
  'socket.url': [checkSocketUrl, 'http://example.com', 'https://example.com']
}

for (const [rule, [check, bad, good]] of Object.entries(pairs)) {
  test(`${rule}: ${RULES[rule]}`, () => {
    assert.throws(() => check(bad), error => error instanceof Refusal && error.rule === rule)
    check(good)
  })
}

for (const [rule, bad, good] of [...sessions, ...flows]) {
  test(`${rule}: ${RULES[rule]}`, async () => {
    await assert.rejects(bad, error => {
      assert.equal(error.rule, rule, error.stack)
      return true
    })
    await good()
  })
}

test('every rule has its pair', () => {
  const covered = new Set([...Object.keys(pairs), ...[...sessions, ...flows].map(([rule]) => rule)])
  // Only a clock and a server show these two.
  const elsewhere = ['scenario', 'socket.authenticated']
  assert.deepEqual(Object.keys(RULES).filter(rule => !covered.has(rule) && !elsewhere.includes(rule)), [])
  assert.ok(covered.size >= 60, `${covered.size} pairs`)
})

test('a bad frame cuts the connection', async () => {
  const wire = new Wire()
  const socket = new AuthSocket('http://127.0.0.1', { wallet: couple().client.wallet, transport: wire })
  await wire.handlers.get('authMessage')(general({ nonce: b64(48) }))
  assert.equal(wire.connected, false)
  assert.equal(socket.refusal.rule, 'message.nonce.message')
})

test('an unsigned answer of another status than 401 is an error', async () => {
  for (const unsigned of [400, 413, 429, 503]) {
    await assert.rejects(ask({ always: { unsigned } }), error => error.rule === 'reply.unsigned')
  }
})

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
