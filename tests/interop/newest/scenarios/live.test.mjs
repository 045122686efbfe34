// Live messages of the newest generation: envelopes, bursts, refusals.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'

import { TestServer } from '../../support/server.mjs'
import { burst } from '../burst.mjs'
import { DELAYS, Inbox, Party, closeAll, codeOf, forEachWallet, listen, next, pair } from '../party.mjs'

let server
// A server that is stopped for a while must not time its requests out.
before(async () => { server = await TestServer.start({ HEAD_TIMEOUT: '60s' }) })
after(async () => {
  closeAll()
  assert.equal(await server.stop(), 0)
})

forEachWallet(describe, test, 'socket.authenticated: encrypted live messages go both ways', async delay => {
  const { alice, bob, fromAlice, fromBob } = await pair(server.host, { delay })
  const [atBob, atAlice] = await Promise.all([listen(fromBob, 'inbox'), listen(fromAlice, 'inbox')])
  const sent = await fromAlice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'hello €' })
  assert.ok(sent.live, 'acknowledged on the socket')
  await fromBob.sendLive({ recipient: alice.key, messageBox: 'inbox', body: { text: 'hi' } })
  const [toBob] = await atBob.atLeast(1)
  assert.deepEqual([toBob.sender, toBob.body], [alice.key, 'hello €'])
  const [toAlice] = await atAlice.atLeast(1)
  assert.deepEqual([toAlice.sender, JSON.parse(toAlice.body)], [bob.key, { text: 'hi' }])
})

// One after the other: at 500 ms a call seven frames are left for a machine that is late.
for (const delay of DELAYS) {
  test(`socket.frames: a burst of sixty arrives whole (${delay} ms a wallet call)`, async () => {
    const party = new Party({ delay })
    const box = party.box(server.host)
    const inbox = await listen(box, 'burst')
    const bodies = Array.from({ length: 60 }, (_, n) => `message ${n}`)
    // The requests gather while the server is stopped, so that it meets them all at once.
    await burst({ host: server.host, recipients: [party.key], messageBox: 'burst', bodies },
      () => server.process.kill('SIGSTOP'), () => server.process.kill('SIGCONT'))
    await inbox.atLeast(60)
    assert.deepEqual(inbox.items.map(({ body }) => body).sort(), [...bodies].sort())
    const { peak } = box.life.socket.gate
    assert.ok(peak <= 31, `${peak} frames waited at once`)
    closeAll()
  })
}

forEachWallet(describe, test, 'socket.frames: answers and deliveries together stay within the limit', async delay => {
  const [alice, bob] = [new Party(), new Party({ delay })]
  const [fromAlice, fromBob] = [alice.box(server.host), bob.box(server.host)]
  const inbox = await listen(fromBob, 'mixed')
  const { socket } = fromBob.life
  const acks = new Inbox(socket)
  socket.on(`sendMessageAck-${alice.room('mixed')}`, acks.push)
  const own = (async () => {
    for (let n = 0; n < 40; n++) {
      const message = { messageId: `own ${n}`, recipient: alice.key, body: 'x' }
      await socket.emit('sendMessage', { roomId: alice.room('mixed'), message })
    }
  })()
  for (let n = 0; n < 40; n++) {
    await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'mixed', body: `to bob ${n}`, skipEncryption: true })
  }
  await own
  await acks.atLeast(40, 'acks', 60_000)
  await inbox.atLeast(40, 'messages', 60_000)
  assert.deepEqual(inbox.items.map(({ body }) => body), Array.from({ length: 40 }, (_, n) => `to bob ${n}`))
  assert.deepEqual(acks.items.map(({ messageId }) => messageId), Array.from({ length: 40 }, (_, n) => `own ${n}`))
  assert.ok(socket.gate.peak <= 31, `${socket.gate.peak} frames waited at once`)
})

describe('on one server', () => {
  afterEach(closeAll)

  test('box.list-row: live messages are listed and acknowledged', async () => {
    const { alice, bob, fromAlice, fromBob } = await pair(server.host)
    await fromAlice.sendLive({ recipient: bob.key, messageBox: 'chat-room-1', body: 'for later' })
    const listed = await fromBob.list({ messageBox: 'chat-room-1' })
    assert.deepEqual(listed.map(({ sender, body }) => [sender, body]), [[alice.key, 'for later']])
    await fromBob.acknowledge(listed.map(({ messageId }) => messageId))
    assert.deepEqual(await fromBob.list({ messageBox: 'chat-room-1' }), [])
  })

  test('event.members: messages sent over HTTP reach a live listener', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const inbox = await listen(fromBob, 'a-b')
    const message = { recipient: bob.key, messageBox: 'a-b' }
    await fromAlice.sendMessage({ ...message, body: 'encrypted' })
    await inbox.atLeast(1)
    await fromAlice.sendMessage({ ...message, body: { plain: [1, 2] }, skipEncryption: true })
    assert.deepEqual((await inbox.atLeast(2)).map(({ body }) => body), ['encrypted', '{"plain":[1,2]}'])
  })

  test('box.results: a duplicate succeeds and happens once; an id of another sender is refused', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const inbox = await listen(fromBob, 'inbox')
    const message = { recipient: bob.key, messageBox: 'inbox', body: 'once', messageId: 'the-same' }
    await fromAlice.sendLive(message)
    assert.ok((await fromAlice.sendLive(message)).live)
    await fromAlice.sendMessage(message)
    const mallory = new Party().box(server.host)
    assert.equal(await codeOf(mallory.sendMessage({ ...message, body: 'squatted' })), 'ERR_DUPLICATE_MESSAGE')
    assert.equal(await codeOf(fromAlice.sendLive({ ...message, messageBox: 'another' })), 'ERR_DUPLICATE_MESSAGE')
    await fromAlice.sendLive({ ...message, body: 'last', messageId: 'another' })
    assert.deepEqual((await inbox.atLeast(2)).map(({ body }) => body), ['once', 'last'])
    assert.deepEqual((await fromBob.list({ messageBox: 'inbox' })).map(({ body }) => body), ['once', 'last'])
  })

  test('event.size: a message of 300 kB goes live', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const inbox = await listen(fromBob, 'inbox')
    const body = 'x'.repeat(300_000)
    assert.ok((await fromAlice.sendLive({ recipient: bob.key, messageBox: 'inbox', body, skipEncryption: true })).live)
    assert.equal((await inbox.atLeast(1))[0].body, body)
  })

  test('event.size: a larger one is listed and leaves the listener alive', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const inbox = await listen(fromBob, 'inbox')
    const body = 'x'.repeat(1_100_000)
    await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'inbox', messageId: 'large', body, skipEncryption: true })
    await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'inbox', body: 'behind', skipEncryption: true })
    const [first] = await inbox.atLeast(1)
    assert.equal(first.body, 'behind')
    assert.equal((await fromBob.list({ messageBox: 'inbox' })).length, 2)
  })

  test('event.name-control: names that would cut a listener are refused, live as well', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const inbox = await listen(fromBob, 'inbox')
    const socket = fromAlice.life.socket
    for (const box of ['x'.repeat(178), 'a\u202e', 'a\u0001']) {
      // The client itself sends no such event name; data may hold anything.
      const message = { messageId: box, recipient: bob.key, body: 'x' }
      await socket.emit('sendMessage', { roomId: bob.room(box), message })
      await socket.emit('joinRoom', bob.room(box))
    }
    await fromAlice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'alive' })
    assert.equal((await inbox.atLeast(1))[0].body, 'alive')
    assert.deepEqual([fromAlice.life.refusals, fromBob.life.refusals], [[], []])
    for (const messageBox of ['y'.repeat(128), 'with spaces in it']) {
      const other = await listen(fromBob, messageBox)
      await fromAlice.sendLive({ recipient: bob.key, messageBox, body: messageBox })
      assert.equal((await other.atLeast(1))[0].body, messageBox)
    }
  })

  test('scenario: no third party receives a message', async () => {
    const { bob, fromAlice, fromBob } = await pair(server.host)
    const spy = await new Party().member(server.host)
    const heard = new Inbox(spy)
    spy.on(`sendMessage-${bob.room('inbox')}`, heard.push)
    const failed = next(spy, 'joinFailed')
    await spy.emit('joinRoom', bob.room('inbox'))
    await failed
    const inbox = await listen(fromBob, 'inbox')
    await fromAlice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'private' })
    await inbox.atLeast(1)
    const again = next(spy, 'joinFailed')
    await spy.emit('joinRoom', bob.room('inbox'))
    await again
    assert.deepEqual(heard.items, [])
  })

  test('box.code: a refused live message falls back to HTTP at once', async () => {
    const { bob, fromAlice } = await pair(server.host)
    const began = Date.now()
    // A name with 130 bytes fits an event and no box.
    assert.match(await codeOf(fromAlice.sendLive({ recipient: bob.key, messageBox: 'x'.repeat(130), body: 'hello' })), /MESSAGEBOX/)
    assert.ok(Date.now() - began < 9_000, 'the client did not wait for an ack')
  })
})

test('socket.authenticated: without sockets a live message fails, and HTTP works', async () => {
  const other = await TestServer.start({ ENABLE_WEBSOCKETS: 'false' })
  try {
    const [alice, bob] = [new Party().box(other.host), new Party()]
    await assert.rejects(alice.connect(), error => error.rule === 'socket.authenticated')
    await alice.sendMessage({ recipient: bob.key, messageBox: 'inbox', body: 'by post' })
    assert.deepEqual((await bob.box(other.host).list({ messageBox: 'inbox' })).map(({ body }) => body), ['by post'])
  } finally {
    closeAll()
    await other.stop()
  }
})

test('box.host: a host with a path is served', async () => {
  const prefixed = await TestServer.start({ ROUTING_PREFIX: '/api' })
  try {
    const { bob, fromAlice, fromBob } = await pair(`${prefixed.host}/api`)
    const inbox = await listen(fromBob, 'inbox')
    const message = { recipient: bob.key, messageBox: 'inbox' }
    await fromAlice.sendLive({ ...message, body: 'live' })
    await fromAlice.sendMessage({ ...message, body: 'http' })
    assert.deepEqual((await inbox.atLeast(2)).map(({ body }) => body), ['live', 'http'])
  } finally {
    closeAll()
    await prefixed.stop()
  }
})
