// The command `messagebox` and the published client, each reading what the other has encrypted.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { Inbox, Party, closeAll } from '../support/clients.mjs'
import { Listener, run } from '../support/command.mjs'
import { TestServer } from '../support/server.mjs'

let server
before(async () => { server = await TestServer.start() })
afterEach(closeAll)
after(async () => { assert.equal(await server.stop(), 0) })

// One byte, a whole block of the cipher, and a text that is neither ASCII nor short.
const BODIES = ['x', 'sixteen letters!', `"hello"\n\t€ 🙂 ${'y'.repeat(2_000)}`]

test('the published client reads messages of the command, listed and live', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const client = bob.messageBox(server.host)
  await client.initializeConnection()
  const live = new Inbox()
  await client.listenForLiveMessages({ messageBox: 'inbox', onMessage: live.push })
  const sent = []
  for (const [n, body] of BODIES.entries()) {
    // One that the client gets over HTTP and one over the socket.
    const flags = n % 2 === 0 ? ['--live'] : []
    const document = await run(alice, server.host, ['send', bob.key, ...flags], body)
    assert.equal(document.over, n % 2 === 0 ? 'socket' : 'http')
    sent.push(document.messageId)
    const [message] = (await live.atLeast(n + 1)).slice(n)
    assert.deepEqual([message.sender, message.messageId, message.body], [alice.key, document.messageId, body])
  }
  const listed = await client.listMessages({ messageBox: 'inbox', host: server.host })
  assert.deepEqual(listed.map(message => [message.messageId, message.body]), sent.map((id, n) => [id, BODIES[n]]))
})

test('the command lists and receives messages of the published client', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const client = alice.messageBox(server.host)
  await client.initializeConnection()
  const message = { recipient: bob.key, messageBox: 'inbox' }
  await client.sendMessage({ ...message, body: 'before' }, server.host)
  const listener = new Listener(bob, server.host)
  await listener.atLeast(1)
  for (const body of BODIES) {
    await client.sendMessage({ ...message, body }, server.host)
    await client.sendLiveMessage({ ...message, body: { live: body } })
  }
  await client.sendLiveMessage({ ...message, body: 'readable', skipEncryption: true })
  const expected = ['before', ...BODIES.flatMap(body => [body, JSON.stringify({ live: body })]), 'readable']
  const heard = await listener.atLeast(expected.length)
  assert.deepEqual(heard.map(item => item.body), expected)
  assert.deepEqual(heard.map(item => item.encrypted), expected.map(body => body !== 'readable'))
  assert.ok(heard.every(item => item.sender === alice.key))
  assert.equal(await listener.stop(), 0)
  const { messages } = await run(bob, server.host, ['list'])
  assert.deepEqual(messages.map(item => item.body), expected)
  await run(bob, server.host, ['ack', ...messages.map(item => item.messageId)])
  assert.deepEqual((await run(bob, server.host, ['list'])).messages, [])
})

test('both give the same text the same id', async () => {
  const [alice, bob] = [new Party(), new Party()]
  for (const body of BODIES) {
    const { messageId } = await alice.messageBox(server.host)
      .sendMessage({ recipient: bob.key, messageBox: 'inbox', body }, server.host)
    const again = await run(alice, server.host, ['send', bob.key], body)
    assert.deepEqual([again.messageId, again.alreadySent], [messageId, true])
  }
})

test('a note to oneself is read by either', async () => {
  const alice = new Party()
  const client = alice.messageBox(server.host)
  await client.sendMessage({ recipient: alice.key, messageBox: 'notes', body: 'from the client' }, server.host)
  await run(alice, server.host, ['send', alice.key, 'from the command', '--box', 'notes'])
  const expected = ['from the client', 'from the command']
  const { messages } = await run(alice, server.host, ['list', '--box', 'notes'])
  assert.deepEqual(messages.map(item => item.body), expected)
  const listed = await client.listMessages({ messageBox: 'notes', host: server.host })
  assert.deepEqual(listed.map(item => item.body), expected)
})

test('the command listens through a host with a path', async () => {
  const prefixed = await TestServer.start({ ROUTING_PREFIX: '/api' })
  try {
    const host = `${prefixed.host}/api`
    const [alice, bob] = [new Party(), new Party()]
    const listener = new Listener(bob, host, ['--ack', '--transport', 'polling'])
    await alice.messageBox(host).sendMessage({ recipient: bob.key, messageBox: 'inbox', body: 'hello' }, host)
    const [message] = await listener.atLeast(1)
    assert.equal(message.body, 'hello')
    assert.equal(await listener.stop(), 0)
    assert.equal((await run(alice, host, ['doctor'])).verdict, 'ok')
  } finally {
    await prefixed.stop()
  }
})
