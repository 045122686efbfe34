// The published client reconnects by itself and receives again, without a call of the application.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'

import { Inbox, Party, closeAll, next } from '../support/clients.mjs'
import { Proxy } from '../support/proxy.mjs'
import { TestServer } from '../support/server.mjs'

const QUICK = { AUTH_REVIVAL_DELAY: '300ms' }

afterEach(closeAll)

async function listener (host) {
  const bob = new Party()
  const client = bob.messageBox(host)
  await client.initializeConnection()
  const inbox = new Inbox()
  await client.listenForLiveMessages({ messageBox: 'inbox', onMessage: inbox.push })
  return { bob, client, inbox }
}

/** Sends over HTTP until one arrives live: then the listener is back. */
async function sendUntilHeard (sender, recipient, inbox, host) {
  const before = inbox.items.length
  for (let n = 0; inbox.items.length === before; n++) {
    assert.ok(n < 100, 'the listener did not come back')
    await sender.sendMessage({ recipient, messageBox: 'inbox', body: `probe ${before} ${n}` }, host)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  // The last message: once it is here, no other is in flight.
  const last = `probe ${before} last`
  await sender.sendMessage({ recipient, messageBox: 'inbox', body: last }, host)
  while (!inbox.items.some(message => message.body === last)) await inbox.atLeast(inbox.items.length + 1)
}

async function receivesAgain (server, { bob, inbox }, disturb) {
  const alice = new Party().messageBox(server.host)
  const send = body => alice.sendMessage({ recipient: bob.key, messageBox: 'inbox', body }, server.host)
  await send('before')
  await inbox.atLeast(1)
  await disturb()
  await sendUntilHeard(alice, bob.key, inbox, server.host)
  const heard = inbox.items.length
  const bodies = Array.from({ length: 20 }, (_, n) => `after ${n}`)
  for (const body of bodies) await send(body)
  const items = await inbox.atLeast(heard + 20)
  assert.deepEqual(items.slice(heard).map(message => message.body), bodies)
  const ids = items.map(message => message.messageId)
  assert.equal(new Set(ids).size, ids.length, 'nothing came twice')
}

test('after a break of the network', async () => {
  const server = await TestServer.start(QUICK)
  const proxy = await Proxy.start(server.port)
  try {
    await receivesAgain(server, await listener(proxy.host), async () => {
      proxy.break()
      await new Promise(resolve => setTimeout(resolve, 500))
      proxy.heal()
    })
  } finally {
    await closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})

test('after a crash and restart of the server', async () => {
  const server = await TestServer.start(QUICK)
  try {
    await receivesAgain(server, await listener(server.host), () => server.restart())
  } finally {
    await closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('after a shutdown, by a new server on the same port', async () => {
  const server = await TestServer.start(QUICK)
  try {
    await receivesAgain(server, await listener(server.host), async () => {
      assert.equal(await server.drain(), 0)
      assert.match(server.log, /stopped reason=SIGTERM .*drained=true/)
      await server.launch()
    })
  } finally {
    await closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('after a shutdown, also on long-polling', async () => {
  const server = await TestServer.start(QUICK)
  try {
    const socket = new Party().socket(server.host, { transports: ['polling'], reconnectionDelay: 50 })
    const connected = new Inbox()
    socket.on('connect', () => connected.push('connect'))
    await connected.atLeast(1, 'connect')
    assert.equal(await server.drain(), 0)
    await server.launch()
    await connected.atLeast(2, 'connect')
  } finally {
    await closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('frames of an old session count once the client has authenticated', async () => {
  const server = await TestServer.start({ AUTH_REVIVAL_DELAY: '60s' })
  const proxy = await Proxy.start(server.port)
  try {
    const { bob, inbox } = await listener(server.host)
    const alice = new Party()
    const socket = alice.socket(proxy.host, { reconnectionDelay: 50 })
    const authenticated = new Inbox()
    socket.on('authenticationSuccess', authenticated.push)
    socket.on('connect', () => socket.emit('authenticated', { identityKey: alice.key }))
    await authenticated.atLeast(1, 'authenticationSuccess')
    const acks = new Inbox()
    socket.on(`sendMessageAck-${bob.room('inbox')}`, acks.push)
    const send = messageId => socket.emit('sendMessage', {
      roomId: bob.room('inbox'), message: { messageId, recipient: bob.key, body: messageId }
    })
    send('one')
    await acks.atLeast(1, 'ack')
    proxy.break()
    proxy.heal()
    // The client reconnects and sends `authenticated` on the session of the lost socket.
    await authenticated.atLeast(2, 'authenticationSuccess')
    send('two')
    await acks.atLeast(2, 'ack')
    assert.deepEqual(acks.items.map(ack => [ack.status, ack.messageId]), [['success', 'one'], ['success', 'two']])
    assert.deepEqual((await inbox.atLeast(2)).map(message => message.body), ['one', 'two'])
  } finally {
    await closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})

test('after a restart of the server a client can send once the server has confirmed its identity', async () => {
  const server = await TestServer.start({ AUTH_REVIVAL_DELAY: '60s' })
  try {
    const [alice, bob] = [new Party(), new Party()]
    const socket = alice.socket(server.host, { reconnectionDelay: 50 })
    const authenticated = new Inbox()
    socket.on('authenticationSuccess', authenticated.push)
    socket.on('connect', () => socket.emit('authenticated', { identityKey: alice.key }))
    await authenticated.atLeast(1, 'authenticationSuccess')
    const acks = new Inbox()
    socket.on(`sendMessageAck-${bob.room('inbox')}`, acks.push)
    const reconnected = next(socket, 'connect')
    await server.restart()
    await reconnected
    // The new process does not have the session of the old one. It shakes hands, and the client's next frame is in the new session.
    await authenticated.atLeast(2, 'authenticationSuccess')
    socket.emit('sendMessage', {
      roomId: bob.room('inbox'), message: { messageId: 'late', recipient: bob.key, body: 'late' }
    })
    await acks.atLeast(1, 'ack')
    assert.deepEqual(acks.items.map(ack => [ack.status, ack.messageId]), [['success', 'late']])
  } finally {
    await closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('sends while the network is broken arrive over HTTP', async () => {
  const server = await TestServer.start(QUICK)
  const proxy = await Proxy.start(server.port)
  try {
    const { bob, inbox } = await listener(server.host)
    const alice = new Party().messageBox(proxy.host)
    await alice.initializeConnection()
    proxy.break()
    await assert.rejects(alice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'lost' }))
    proxy.heal()
    await alice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'found' })
    assert.equal((await inbox.atLeast(1))[0].body, 'found')
  } finally {
    await closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})
