// Permissions, fees and payments, as the published clients ask for them and pay them.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { AuthFetch, P2PKH, ProtoWallet, PublicKey, Transaction } from '@bsv/sdk'
import { MessageBoxClient } from '@bsv/message-box-client'
import { Inbox, Party, closeAll } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'
import { PayingWallet } from '../support/wallet.mjs'

let server

before(async () => {
  server = await TestServer.start({ MESSAGEBOX_FEES: 'served=10,both=10', ROUTE_PRICES: '/devices=25' })
})

after(async () => {
  await closeAll()
  assert.equal(await server.stop(), 0)
})

/** A party whose wallet can pay. */
class Payer extends Party {
  constructor () {
    super()
    this.wallet = new PayingWallet(this.privateKey)
  }

  messageBox () {
    return super.messageBox(server.host)
  }
}

const pair = () => {
  const [alice, bob] = [new Payer(), new Payer()]
  return { alice, bob, fromAlice: alice.messageBox(), fromBob: bob.messageBox() }
}

test('AuthFetch pays a request that has a price, and gets its answer', async () => {
  const alice = new Payer()
  const client = new AuthFetch(alice.wallet)
  const answer = await client.fetch(`${server.host}/devices`, { method: 'GET' })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('x-bsv-payment-satoshis-paid'), '25')
  assert.deepEqual(await answer.json(), { status: 'success', limit: 100, offset: 0, devices: [] })
  assert.deepEqual(alice.wallet.paid, [[25]])
})

test('permissions are set, read, listed and quoted by the published client', async () => {
  const { alice, bob, fromAlice, fromBob } = pair()
  await fromBob.setMessageBoxPermission({ messageBox: 'chat', recipientFee: 5 })
  await fromBob.setMessageBoxPermission({ messageBox: 'chat', sender: alice.key, recipientFee: -1 })
  const own = await fromBob.getMessageBoxPermission({ recipient: bob.key, messageBox: 'chat', sender: alice.key })
  assert.deepEqual([own.recipientFee, own.status, own.sender], [-1, 'blocked', alice.key])
  assert.equal(await fromBob.getMessageBoxPermission({ recipient: bob.key, messageBox: 'other' }), null)
  const listed = await fromBob.listMessageBoxPermissions({ messageBox: 'chat' })
  assert.deepEqual(
    listed.map(({ sender, messageBox, recipientFee, status }) => [sender, messageBox, recipientFee, status]),
    [[null, 'chat', 5, 'payment_required'], [alice.key, 'chat', -1, 'blocked']]
  )
  assert.ok(listed.every(({ createdAt, updatedAt }) => createdAt && updatedAt))
  const quote = await fromAlice.getMessageBoxQuote({ recipient: bob.key, messageBox: 'chat' })
  assert.equal(quote.recipientFee, -1)
  const carol = new Payer()
  const fee = await carol.messageBox().getMessageBoxQuote({ recipient: bob.key, messageBox: 'both' })
  assert.deepEqual([fee.deliveryFee, fee.recipientFee], [10, 0])
  assert.match(fee.deliveryAgentIdentityKey, /^0[23][0-9a-f]{64}$/)
})

test('a blocked sender gets an error, over HTTP and live', async () => {
  const { alice, bob, fromAlice, fromBob } = pair()
  await fromBob.setMessageBoxPermission({ messageBox: 'chat', sender: alice.key, recipientFee: -1 })
  const message = { recipient: bob.key, messageBox: 'chat', body: 'hello' }
  await assert.rejects(fromAlice.sendMessage(message, server.host), /403|Blocked/)
  await fromAlice.initializeConnection(server.host)
  // The refusal sends the client to HTTP at once, and not after the ten seconds that it would wait for an ack.
  const start = Date.now()
  await assert.rejects(fromAlice.sendLiveMessage(message, server.host), /403|Blocked/)
  assert.ok(Date.now() - start < 5_000)
  assert.deepEqual(await fromBob.listMessages({ messageBox: 'chat', host: server.host }), [])
})

test('a message is paid for to the server and to its recipient, who takes its part', async () => {
  const { alice, bob, fromAlice, fromBob } = pair()
  await fromBob.setMessageBoxPermission({ messageBox: 'both', recipientFee: 7 })
  const inbox = new Inbox()
  await fromBob.initializeConnection(server.host)
  await fromBob.listenForLiveMessages({ messageBox: 'both', onMessage: inbox.push, overrideHost: server.host })
  const message = { recipient: bob.key, messageBox: 'both', body: 'worth it' }
  await assert.rejects(fromAlice.sendMessage(message, server.host), /400/)
  const sent = await fromAlice.sendMessage({ ...message, checkPermissions: true }, server.host)
  assert.equal(sent.status, 'success')
  assert.deepEqual(alice.wallet.paid, [[10, 7]])
  const listed = await fromBob.listMessages({ messageBox: 'both', host: server.host, acceptPayments: true })
  assert.deepEqual(listed.map(({ body }) => body), ['worth it'])
  // A live event has no payment in it, and an application that acknowledges on it would delete the coins.
  assert.deepEqual(inbox.items, [])
  assert.equal(bob.wallet.received.length, 1)
  const [{ tx, outputs }] = bob.wallet.received
  assert.deepEqual(outputs.map(({ outputIndex }) => outputIndex), [1])
  // It is a payment that its key can spend.
  const { derivationPrefix, derivationSuffix, senderIdentityKey } = outputs[0].paymentRemittance
  const { publicKey } = await new ProtoWallet(bob.privateKey).getPublicKey({
    protocolID: [2, '3241645161d8'],
    keyID: `${derivationPrefix} ${derivationSuffix}`,
    counterparty: senderIdentityKey,
    forSelf: true
  })
  const output = Transaction.fromAtomicBEEF(tx).outputs[1]
  const script = new P2PKH().lock(PublicKey.fromString(publicKey).toAddress())
  assert.deepEqual([output.satoshis, output.lockingScript.toHex()], [7, script.toHex()])
})

test('a message to many is paid for in one transaction', async () => {
  const alice = new Payer()
  const [bob, carol, dave] = [new Payer(), new Payer(), new Payer()]
  await bob.messageBox().setMessageBoxPermission({ messageBox: 'both', recipientFee: 3 })
  await carol.messageBox().setMessageBoxPermission({ messageBox: 'both', recipientFee: -1 })
  const result = await alice.messageBox().sendMesagetoRecepients(
    { recipients: [bob.key, carol.key, dave.key], messageBox: 'both', body: 'to all' },
    server.host
  )
  assert.equal(result.status, 'success', result.description)
  assert.deepEqual(result.blocked, [carol.key])
  assert.deepEqual(result.sent.map(({ recipient }) => recipient), [bob.key, dave.key])
  assert.deepEqual(alice.wallet.paid, [[10, 3]])
  for (const recipient of [bob, dave]) {
    const listed = await recipient.messageBox().listMessages({ messageBox: 'both', host: server.host })
    assert.deepEqual(listed.map(({ body }) => body), ['to all'])
  }
})

test('payments to the server are exported for a wallet', async () => {
  const { alice, bob, fromAlice } = pair()
  const message = { recipient: bob.key, messageBox: 'served', body: 'paid' }
  await fromAlice.sendMessage({ ...message, checkPermissions: true }, server.host)
  const { stdout } = await promisify(execFile)(process.env.MESSAGEBOX_SERVER, ['--export-payments'], {
    env: { DATA_DIR: server.folder, CONFIG_DIR: server.folder, RUST_LOG: 'error' },
    maxBuffer: 64 << 20
  })
  const payments = stdout.trim().split('\n').map(line => JSON.parse(line))
  const own = payments.filter(({ payer }) => payer === alice.key)
  assert.equal(own.length, 1)
  const [{ satoshis, state, outpoint, internalizeAction }] = own
  assert.deepEqual([satoshis, state], [10, 'kept'])
  const transaction = Transaction.fromAtomicBEEF(internalizeAction.tx)
  assert.equal(outpoint, `${transaction.id('hex')}.0`)
  assert.equal(internalizeAction.outputs[0].paymentRemittance.senderIdentityKey, alice.key)
})

test('devices are registered and listed by the published client', async () => {
  const alice = new Payer()
  const client = new MessageBoxClient({ host: server.host, walletClient: alice.wallet, networkPreset: 'local' })
  const registered = await client.registerDevice({ fcmToken: 'a token of some length', deviceId: 'mine', platform: 'web' }, server.host)
  assert.equal(registered.status, 'success')
  // The route has a price here, which the client pays without being told.
  const devices = await client.listRegisteredDevices(server.host)
  assert.deepEqual(
    devices.map(({ deviceId, platform, fcmToken, active }) => [deviceId, platform, fcmToken, active]),
    [['mine', 'web', '...ome length', true]]
  )
  assert.deepEqual(alice.wallet.paid, [[25]])
})
