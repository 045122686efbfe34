// Payments of requests in both forms, and of deliveries, as the newest clients make them.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { TestServer } from '../../support/server.mjs'
import { DELAYS, Inbox, Party, closeAll, codeOf, listen } from '../party.mjs'
import { readChallenge } from '../payment.mjs'
import { Refusal } from '../refusal.mjs'
import { TwoStepWallet } from '../wallet.mjs'

const PRICES = { MESSAGEBOX_FEES: 'served=10,both=10', ROUTE_PRICES: '/devices=25,/registerDevice=30' }

let server
before(async () => { server = await TestServer.start(PRICES) })
after(async () => {
  closeAll()
  assert.equal(await server.stop(), 0)
})

/** A party whose wallet pays. `padding`: bytes of data in each payment. */
const payer = (delay = 0, padding = 0) => new Party({ delay, wallet: key => new TwoStepWallet(key, padding) })
const device = n => ({ fcmToken: `token of ${n} ${Math.random()}`, deviceId: `${n}` })

for (const delay of DELAYS) {
  test(`payment.version: a priced request is paid by header (${delay} ms a wallet call)`, async () => {
    const alice = payer(delay)
    const client = alice.fetch()
    const reply = await client.fetch(`${server.host}/devices`)
    assert.equal(reply.status, 200)
    assert.equal(reply.headers.get('x-bsv-payment-satoshis-paid'), '25')
    assert.equal(client.lastTransport, 'header')
    assert.deepEqual(alice.purse.paid, [[25]])
  })
}

test('payment.transports: the challenge offers multipart, and names the server', async () => {
  const client = payer().fetch()
  client.pay = async (request, unpaid) => unpaid
  const unpaid = await client.fetch(`${server.host}/devices`)
  assert.equal(unpaid.status, 402)
  assert.deepEqual(readChallenge(unpaid.headers).transports, ['header', 'multipart'])
  assert.equal(unpaid.headers.get('x-bsv-identity-key'), client.origin(server.host).identity)
})

for (const padding of [10_000, 200_000, 2_000_000]) {
  test(`payment.transport-needed: a payment of ${padding} bytes goes as multipart`, async () => {
    const alice = payer(0, padding)
    const box = alice.box(server.host)
    const registered = await box.registerDevice(device(padding))
    assert.equal(registered.status, 'success')
    assert.equal(box.authFetch.lastTransport, 'multipart')
    assert.deepEqual(alice.purse.paid, [[30]])
  })
}

test('payment.size: the releases with 256 KiB of header pay with as much as a head takes', async () => {
  for (const padding of [20_000, 60_000, 90_000]) {
    const alice = payer(0, padding)
    const client = alice.fetch({ released: true })
    const reply = await client.fetch(`${server.host}/devices`)
    assert.equal(reply.status, 200, `${padding} bytes`)
  }
})

test('payment.changed: a payment that was used before is 409 and not another 402', async () => {
  const alice = payer()
  const client = alice.fetch()
  let kept
  const attach = client.attach.bind(client)
  client.attach = (...args) => { kept = attach(...args); return kept }
  const box = alice.box(server.host)
  box.authFetch = client
  await box.registerDevice(device('replay'))
  const again = await client.recovering(kept)
  assert.deepEqual([again.status, again.json().code], [409, 'ERR_PAYMENT_REPLAYED'])
})

test('payment.changed: a malformed payment is 400 and not another 402', async () => {
  const client = payer().fetch()
  const request = client.prepare(`${server.host}/devices`, 'GET', { 'x-bsv-payment': '{"derivationPrefix":"AAAA"}' })
  const reply = await client.recovering(request)
  assert.deepEqual([reply.status, reply.json().code], [400, 'ERR_MALFORMED_PAYMENT'])
})

test('payment.transports: a multipart request without a payment is an unpaid one', async () => {
  const client = payer().fetch()
  const boundary = 'plain'
  const body = `--${boundary}\r\nContent-Disposition: form-data; name="body"\r\nContent-Type: application/json\r\n\r\n{}\r\n--${boundary}--\r\n`
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` }
  const reply = await client.recovering(client.prepare(`${server.host}/registerDevice`, 'POST', headers, body))
  assert.equal(reply.status, 402)
})

test('box.results: one message is paid for to the server and to its recipient, and not pushed live', async () => {
  const [alice, bob] = [payer(), payer()]
  const [fromAlice, fromBob] = [alice.box(server.host), bob.box(server.host)]
  await fromBob.setPermission({ messageBox: 'both', recipientFee: 7 })
  const inbox = await listen(fromBob, 'both')
  const message = { recipient: bob.key, messageBox: 'both', body: 'worth it' }
  assert.match(await codeOf(fromAlice.sendMessage(message)), /ERR_MISSING_PAYMENT_TX/)
  await fromAlice.sendMessage({ ...message, checkPermissions: true })
  assert.deepEqual(alice.purse.paid, [[10, 7]])
  // The live event has no payment: a listener that acknowledged it would delete the coins.
  await fromBob.setPermission({ messageBox: 'both', sender: alice.key, recipientFee: 0 })
  const listed = await fromBob.list({ messageBox: 'both' })
  assert.deepEqual(listed.map(({ body }) => body), ['worth it'])
  assert.equal(bob.purse.received.length, 1)
  assert.deepEqual(bob.purse.received[0].outputs.map(({ outputIndex }) => outputIndex), [1])
  const free = new Inbox(fromBob)
  await fromBob.listen('free', free.push)
  await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'free', body: 'behind' })
  await free.atLeast(1)
  assert.deepEqual(inbox.items, [], 'a message with a payment was pushed live')
})

test('box.quote-totals: a message to many pays the delivery for each of them', async () => {
  const alice = payer()
  const [bob, carol] = [payer(), payer()]
  await bob.box(server.host).setPermission({ messageBox: 'both', recipientFee: 3 })
  await alice.box(server.host).sendToMany({ recipients: [bob.key, carol.key], messageBox: 'both', body: 'to all' })
  assert.deepEqual(alice.purse.paid, [[20, 3]])
  for (const party of [bob, carol]) {
    assert.deepEqual((await party.box(server.host).list({ messageBox: 'both' })).map(({ body }) => body), ['to all'])
  }
})

test('box.code: a blocked sender gets the code, over HTTP and live', async () => {
  const [alice, bob] = [payer(), payer()]
  const [fromAlice, fromBob] = [alice.box(server.host), bob.box(server.host)]
  await fromBob.setPermission({ messageBox: 'chat', sender: alice.key, recipientFee: -1 })
  const message = { recipient: bob.key, messageBox: 'chat', body: 'hello' }
  assert.equal(await codeOf(fromAlice.sendMessage(message)), 'ERR_DELIVERY_BLOCKED')
  const began = Date.now()
  assert.equal(await codeOf(fromAlice.sendLive(message)), 'ERR_DELIVERY_BLOCKED')
  if (Date.now() - began > 5_000) throw new Refusal('scenario', 'the refusal came as late as no ack would')
})
