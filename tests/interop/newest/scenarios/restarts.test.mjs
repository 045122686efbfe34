// The three life cycles of the client's socket when the server ends and comes back, and when it is quiet.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { TestServer } from '../../support/server.mjs'
import { QUICK, disturbed } from '../disturbed.mjs'
import { Inbox, Party, closeAll, codeOf, listen } from '../party.mjs'

test('socket.authenticated: after a crash of the server, and calls work again', { concurrency: true }, async t => {
  const server = await TestServer.start(QUICK)
  try {
    const all = await disturbed(t, server, server.host, () => server.restart())
    // The next call of the client may open its own socket, so the test opens one for each.
    await Promise.all(all.map(({ name, box }) => t.test(`sends: ${name}`, async () => {
      const other = new Party()
      const sent = await box.sendLive({ recipient: other.key, messageBox: 'inbox', body: 'after the crash' })
      assert.ok(sent.live, JSON.stringify(sent.ack))
    })))
  } finally {
    closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('socket.authenticated: after a shutdown, by a new server on the same port', { concurrency: true }, async t => {
  const server = await TestServer.start(QUICK)
  try {
    await disturbed(t, server, server.host, async () => {
      assert.equal(await server.drain(), 0)
      await server.launch()
    }, [0, 50])
  } finally {
    closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('socket.authenticated: after a shutdown, also on long-polling', async () => {
  const server = await TestServer.start(QUICK)
  try {
    const socket = new Party().socket(server.host, { options: { transports: ['polling'], reconnectionDelay: 50 } })
    const connected = new Inbox()
    socket.on('connect', () => connected.push('connect'))
    await connected.atLeast(1, 'connect')
    assert.equal(await server.drain(), 0)
    await server.launch()
    await connected.atLeast(2, 'connect')
  } finally {
    closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('session.idle: a quiet listener is kept awake', async () => {
  // The client forgets a session after 4 s here, so the server has to speak more often.
  const server = await TestServer.start({ ...QUICK, SOCKET_KEEP_ALIVE: '1s' })
  try {
    const bob = new Party()
    const box = bob.box(server.host, { socket: { sessionLimits: { idle: 4_000 } } })
    const inbox = await listen(box, 'inbox')
    await sleep(6_000)
    const alice = new Party().box(server.host)
    await alice.sendMessage({ recipient: bob.key, messageBox: 'inbox', body: 'still here' })
    assert.equal((await inbox.atLeast(1))[0].body, 'still here')
  } finally {
    closeAll()
    assert.equal(await server.stop(), 0)
  }
})

test('socket.identity: an identity that was not proven is refused, and the socket works on', async () => {
  const server = await TestServer.start()
  try {
    const [alice, bob] = [new Party(), new Party()]
    const socket = await alice.member(server.host)
    const failed = new Inbox(socket)
    socket.on('authenticationFailed', failed.push)
    await socket.emit('authenticated', { identityKey: bob.key })
    await failed.atLeast(1, 'authenticationFailed')
    const box = alice.box(server.host)
    assert.equal(await codeOf(box.request('POST', '/sendMessage', {})), 'ERR_MESSAGE_REQUIRED')
  } finally {
    closeAll()
    assert.equal(await server.stop(), 0)
  }
})
