// One line of the published npm clients against the real server: HTTP, live both ways, cuts and restarts.
//
// CLIENT_LINE names the folder of the line, MESSAGEBOX_SERVER the binary: node --test line.test.mjs

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Proxy } from '../../interop/support/proxy.mjs'
import { TestServer } from '../../interop/support/server.mjs'

const line = process.env.CLIENT_LINE
if (!line) throw new Error('CLIENT_LINE must name a folder beside this file')
const load = createRequire(path.resolve(line, 'package.json'))
const { AuthFetch, PrivateKey, ProtoWallet } = load('@bsv/sdk')
const { MessageBoxClient } = load('@bsv/message-box-client')
const { AuthSocketClient } = load('@bsv/authsocket-client')

let server
const opened = new Set()
before(async () => { server = await TestServer.start({ AUTH_REVIVAL_DELAY: '300ms' }) })
after(async () => { assert.equal(await server.stop(), 0) })
afterEach(closeAll)

async function closeAll () {
  for (const close of opened) await close()
  opened.clear()
}

class Party {
  constructor () {
    const key = PrivateKey.fromRandom()
    this.wallet = new ProtoWallet(key)
    this.key = key.toPublicKey().toString()
  }

  /** `local` keeps the client from looking hosts up on the network. */
  box (host) {
    const client = new MessageBoxClient({ host, walletClient: this.wallet, networkPreset: 'local' })
    opened.add(() => client.disconnectWebSocket())
    return client
  }

  async request (host, route, body) {
    this.client ??= new AuthFetch(this.wallet)
    const response = await this.client.fetch(`${host}${route}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
    })
    return [response.status, await response.json()]
  }
}

class Inbox {
  items = []

  push = item => { this.items.push(item) }

  async atLeast (count, what = 'messages', milliseconds = 30_000) {
    for (const deadline = Date.now() + milliseconds; this.items.length < count; await sleep(10)) {
      assert.ok(Date.now() < deadline, `${what}: ${this.items.length} of ${count} came`)
    }
    return this.items
  }
}

async function connected (host) {
  const party = new Party()
  const client = party.box(host)
  await client.initializeConnection(host)
  const inbox = new Inbox()
  // Without the host some lines open the socket at the name of their application.
  await client.listenForLiveMessages({ messageBox: 'inbox', onMessage: inbox.push, overrideHost: host })
  return { party, client, inbox }
}

const live = (from, to, body) =>
  from.client.sendLiveMessage({ recipient: to.party.key, messageBox: 'inbox', body }, server.host)

test('requests of AuthFetch are served', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const message = { recipient: bob.key, messageBox: 'inbox', messageId: '1', body: 'text' }
  assert.equal((await alice.request(server.host, '/sendMessage', { message }))[0], 200)
  const [, listed] = await bob.request(server.host, '/listMessages', { messageBox: 'inbox' })
  assert.deepEqual(listed.messages.map(({ messageId, sender, body }) => [messageId, sender, body]), [['1', alice.key, '{"message":"text"}']])
  assert.equal((await bob.request(server.host, '/acknowledgeMessage', { messageIds: ['1'] }))[0], 200)
  const [status, refused] = await alice.request(server.host, '/sendMessage', {})
  assert.deepEqual([status, refused.code], [400, 'ERR_MESSAGE_REQUIRED'])
})

test('a client without pages reads a whole inbox', async () => {
  const [alice, bob] = [new Party(), new Party()]
  // Quotes double in each layer of JSON, so the answer is larger than the newest clients take.
  const body = '"'.repeat(150_000)
  for (let n = 0; n < 8; n++) {
    const message = { recipient: bob.key, messageBox: 'whole', messageId: `${n}`, body }
    assert.equal((await alice.request(server.host, '/sendMessage', { message }))[0], 200)
  }
  const [, listed] = await bob.request(server.host, '/listMessages', { messageBox: 'whole' })
  assert.equal(listed.messages.length, 8)
})

test('encrypted live messages go both ways', async () => {
  const [alice, bob] = [await connected(server.host), await connected(server.host)]
  for (let n = 0; n < 10; n++) await live(alice, bob, `to bob ${n}`)
  await live(bob, alice, 'to alice')
  assert.deepEqual((await bob.inbox.atLeast(10)).map(({ body }) => body), Array.from({ length: 10 }, (_, n) => `to bob ${n}`))
  const [message] = await alice.inbox.atLeast(1)
  assert.deepEqual([message.sender, message.body], [bob.party.key, 'to alice'])
})

test('live messages are listed and acknowledged', async () => {
  const [alice, bob] = [await connected(server.host), await connected(server.host)]
  await live(alice, bob, 'for later')
  const listed = await bob.client.listMessages({ messageBox: 'inbox', host: server.host })
  assert.deepEqual(listed.map(({ sender, body }) => [sender, body]), [[alice.party.key, 'for later']])
  const messageIds = listed.map(({ messageId }) => messageId)
  assert.equal(await bob.client.acknowledgeMessage({ messageIds, host: server.host }), 'success')
})

async function receivesAgain ({ party, inbox }) {
  const alice = new Party()
  const send = async body => {
    const message = { recipient: party.key, messageBox: 'inbox', messageId: body, body }
    assert.equal((await alice.request(server.host, '/sendMessage', { message }))[0], 200)
  }
  const began = inbox.items.length
  for (let n = 0; inbox.items.length === began; n++) {
    assert.ok(n < 150, 'the listener did not come back')
    await send(`probe ${began} ${n}`)
    await sleep(200)
  }
  await send(`last ${began}`)
  while (inbox.items.at(-1).body !== `last ${began}`) await inbox.atLeast(inbox.items.length + 1)
  const ids = inbox.items.map(({ messageId }) => messageId)
  assert.equal(new Set(ids).size, ids.length, 'nothing came twice')
}

test('a listener receives again after a cut of the network', async () => {
  const proxy = await Proxy.start(server.port)
  try {
    const bob = await connected(proxy.host)
    proxy.break()
    await sleep(300)
    proxy.heal()
    await receivesAgain(bob)
  } finally {
    await closeAll()
    await proxy.stop()
  }
})

test('a listener receives again after a crash of the server, and requests still work', async () => {
  const bob = await connected(server.host)
  assert.equal((await bob.party.request(server.host, '/listMessages', { messageBox: 'inbox' }))[0], 200)
  await server.restart()
  assert.equal((await bob.party.request(server.host, '/listMessages', { messageBox: 'inbox' }))[0], 200)
  await receivesAgain(bob)
})

for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
  test(`an AuthSocket client is served by ${transports.join(' and ')}`, async () => {
    const alice = new Party()
    const room = `${alice.key}-inbox`
    const socket = AuthSocketClient(server.host, { wallet: alice.wallet, managerOptions: { forceNew: true, transports } })
    opened.add(() => socket.disconnect())
    const events = new Inbox()
    for (const name of ['authenticationSuccess', 'joinedRoom', `sendMessageAck-${room}`, `sendMessage-${room}`]) {
      socket.on(name, data => events.push([name, data.messageId]))
    }
    socket.on('connect', () => socket.emit('authenticated', { identityKey: alice.key }))
    await events.atLeast(1, 'authenticationSuccess')
    socket.emit('joinRoom', room)
    await events.atLeast(2, 'joinedRoom')
    socket.emit('sendMessage', { roomId: room, message: { messageId: '1', recipient: alice.key, body: 'raw' } })
    assert.deepEqual((await events.atLeast(4, 'events')).map(([name]) => name),
      ['authenticationSuccess', 'joinedRoom', `sendMessageAck-${room}`, `sendMessage-${room}`])
  })
}
