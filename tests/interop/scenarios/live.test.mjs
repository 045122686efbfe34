// Two identities and the published MessageBox client: live, encrypted, both ways.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { Inbox, Party, closeAll } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'

let server
before(async () => { server = await TestServer.start() })
afterEach(closeAll)
after(async () => { assert.equal(await server.stop(), 0) })

async function listen (client, box) {
  const inbox = new Inbox()
  await client.listenForLiveMessages({ messageBox: box, onMessage: inbox.push })
  return inbox
}

async function pair (host = server.host) {
  const [alice, bob] = [new Party(), new Party()]
  const clients = [alice.messageBox(host), bob.messageBox(host)]
  for (const client of clients) await client.initializeConnection()
  return { alice, bob, fromAlice: clients[0], fromBob: clients[1] }
}

test('encrypted live messages go both ways', async () => {
  const { alice, bob, fromAlice, fromBob } = await pair()
  const atBob = await listen(fromBob, 'inbox')
  const atAlice = await listen(fromAlice, 'inbox')
  const sent = await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'hello €' })
  assert.equal(sent.status, 'success')
  await fromBob.sendLiveMessage({ recipient: alice.key, messageBox: 'inbox', body: { text: 'hi' } })
  const [toBob] = await atBob.atLeast(1)
  assert.deepEqual([toBob.sender, toBob.body], [alice.key, 'hello €'])
  const [toAlice] = await atAlice.atLeast(1)
  assert.deepEqual([toAlice.sender, JSON.parse(toAlice.body)], [bob.key, { text: 'hi' }])
})

test('a hundred live messages arrive once and in order', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  const inbox = await listen(fromBob, 'inbox')
  for (let n = 0; n < 100; n++) {
    await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: `message ${n}` })
  }
  const bodies = (await inbox.atLeast(100)).map(message => message.body)
  assert.deepEqual(bodies, Array.from({ length: 100 }, (_, n) => `message ${n}`))
})

test('live messages are listed and acknowledged over HTTP', async () => {
  const { alice, bob, fromAlice, fromBob } = await pair()
  await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'chat-room-1', body: 'for later' })
  const listed = await fromBob.listMessages({ messageBox: 'chat-room-1', host: server.host })
  assert.deepEqual(listed.map(message => [message.sender, message.body]), [[alice.key, 'for later']])
  assert.match(listed[0].createdAt, /^\d{4}-\d\d-\d\dT.*Z$/)
  const messageIds = listed.map(message => message.messageId)
  assert.equal(await fromBob.acknowledgeMessage({ messageIds, host: server.host }), 'success')
  assert.deepEqual(await fromBob.listMessages({ messageBox: 'chat-room-1', host: server.host }), [])
  await assert.rejects(fromBob.acknowledgeMessage({ messageIds, host: server.host }))
})

test('messages sent over HTTP reach a live listener', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  const inbox = await listen(fromBob, 'a-b')
  const message = { recipient: bob.key, messageBox: 'a-b' }
  await fromAlice.sendMessage({ ...message, body: 'encrypted' }, server.host)
  // The client decrypts beside its other work, so that a plain message right behind would come out first.
  await inbox.atLeast(1)
  await fromAlice.sendMessage({ ...message, body: { plain: [1, 2] }, skipEncryption: true }, server.host)
  const bodies = (await inbox.atLeast(2)).map(message => message.body)
  assert.deepEqual(bodies, ['encrypted', '{"plain":[1,2]}'])
  const listed = await fromBob.listMessages({ messageBox: 'a-b', host: server.host })
  assert.deepEqual(listed.map(message => message.body), ['encrypted', { plain: [1, 2] }])
})

test('a duplicate is a success that happens once; an id of another sender is refused', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  const inbox = await listen(fromBob, 'inbox')
  const message = { recipient: bob.key, messageBox: 'inbox', body: 'once', messageId: 'the-same' }
  await fromAlice.sendLiveMessage(message)
  await fromAlice.sendLiveMessage(message)
  await fromAlice.sendMessage(message, server.host)
  const mallory = new Party().messageBox(server.host)
  await assert.rejects(mallory.sendMessage({ ...message, body: 'squatted' }, server.host), /Duplicate message|400/)
  await fromAlice.sendLiveMessage({ ...message, body: 'last', messageId: 'another' })
  assert.deepEqual((await inbox.atLeast(2)).map(message => message.body), ['once', 'last'])
  const listed = await fromBob.listMessages({ messageBox: 'inbox', host: server.host })
  assert.deepEqual(listed.map(message => message.body), ['once', 'last'])
})

test('a message of 300 kB goes live', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  const inbox = await listen(fromBob, 'inbox')
  const body = 'x'.repeat(300_000)
  const began = Date.now()
  const sent = await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body, skipEncryption: true })
  assert.deepEqual(Object.keys(sent).sort(), ['messageId', 'status'], 'acknowledged on the socket, not over HTTP')
  assert.ok(Date.now() - began < 9_000, 'did not wait for the time-out')
  assert.equal((await inbox.atLeast(1))[0].body, body)
})

test('no third party receives a message', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  const mallory = new Party()
  const spy = mallory.socket(server.host)
  const heard = new Inbox()
  spy.on('connect', () => spy.emit('authenticated', { identityKey: mallory.key }))
  const failed = new Inbox()
  spy.on('joinFailed', failed.push)
  spy.on('authenticationSuccess', () => spy.emit('joinRoom', bob.room('inbox')))
  spy.on(`sendMessage-${bob.room('inbox')}`, heard.push)
  await failed.atLeast(1, 'joinFailed')
  const inbox = await listen(fromBob, 'inbox')
  await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'private' })
  await inbox.atLeast(1)
  // An answer to a request after the delivery: every earlier event has arrived.
  spy.emit('joinRoom', bob.room('inbox'))
  await failed.atLeast(2, 'joinFailed')
  assert.deepEqual(heard.items, [])
})

test('without sockets a live message goes over HTTP', async () => {
  const other = await TestServer.start({ ENABLE_WEBSOCKETS: 'false' })
  try {
    const [alice, bob] = [new Party(), new Party()]
    const fromAlice = alice.messageBox(other.host)
    await assert.rejects(fromAlice.initializeConnection())
    await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'by post' })
    const listed = await bob.messageBox(other.host).listMessages({ messageBox: 'inbox', host: other.host })
    assert.deepEqual(listed.map(message => message.body), ['by post'])
  } finally {
    await closeAll()
    await other.stop()
  }
})

test('a refused live message falls back to HTTP at once', async () => {
  const { bob, fromAlice, fromBob } = await pair()
  // A name that is too long for a box is refused on the socket and over HTTP alike, without a wait. From 175 bytes on, newer
  // clients would end the connection over the name of the ack, so none is sent.
  const began = Date.now()
  const messageBox = 'x'.repeat(150)
  await assert.rejects(fromAlice.sendLiveMessage({ recipient: bob.key, messageBox, body: 'hello' }))
  assert.ok(Date.now() - began < 9_000, 'did not wait for the time-out')
  assert.deepEqual(await fromBob.listMessages({ messageBox, host: server.host }), [])
})

test('a host with a path is served', async () => {
  const prefixed = await TestServer.start({ ROUTING_PREFIX: '/api' })
  try {
    const { bob, fromAlice, fromBob } = await pair(`${prefixed.host}/api`)
    const inbox = await listen(fromBob, 'inbox')
    const message = { recipient: bob.key, messageBox: 'inbox' }
    await fromAlice.sendLiveMessage({ ...message, body: 'live' })
    await fromAlice.sendMessage({ ...message, body: 'http' }, `${prefixed.host}/api`)
    assert.deepEqual((await inbox.atLeast(2)).map(message => message.body), ['live', 'http'])
  } finally {
    await closeAll()
    await prefixed.stop()
  }
})
