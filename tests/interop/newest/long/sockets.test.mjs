// Scenarios of a minute: a flood for a slow wallet, and a session that is renewed before its nonces run out.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { TestServer } from '../../support/server.mjs'
import { Inbox, Party, closeAll, listen } from '../party.mjs'

let server
let unpaced
before(async () => {
  server = await TestServer.start()
  unpaced = await TestServer.start({ SOCKET_PACE: '0', FRAMES_PER_SOCKET: '0', FRAMES_PER_IDENTITY: '0' })
})
after(async () => {
  closeAll()
  for (const each of [server, unpaced]) assert.equal(await each.stop(), 0)
})

test('socket.frames: a thousand messages to a wallet of 50 ms a call, and 200 of its own meanwhile', async () => {
  const [alice, bob] = [new Party(), new Party({ delay: 50 })]
  const [fromAlice, fromBob] = [alice.box(server.host), bob.box(server.host)]
  const inbox = await listen(fromBob, 'flood')
  const { socket } = fromBob.life
  const acks = new Inbox(socket)
  const room = alice.room('own')
  socket.on(`sendMessageAck-${room}`, acks.push)
  const flood = (async () => {
    for (let n = 0; n < 1_000; n++) {
      await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'flood', messageId: `${n}`, body: `${n}`, skipEncryption: true })
    }
  })()
  for (let n = 0; n < 200; n++) {
    await socket.emit('sendMessage', { roomId: room, message: { messageId: `own ${n}`, recipient: alice.key, body: 'x' } })
  }
  await flood
  await acks.atLeast(200, 'acks', 120_000)
  assert.deepEqual(acks.items.map(({ messageId }) => messageId), Array.from({ length: 200 }, (_, n) => `own ${n}`))
  const listed = new Set((await fromBob.list({ messageBox: 'flood', pageSize: 500 })).map(({ messageId }) => messageId))
  assert.equal(listed.size, 1_000, 'every message is listed')
  // The socket works: a new message arrives after all queued ones.
  await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'flood', messageId: 'last', body: 'last', skipEncryption: true })
  while (inbox.items.at(-1)?.messageId !== 'last') await inbox.atLeast(inbox.items.length + 1, 'messages', 60_000)
  const ids = inbox.items.map(({ messageId }) => messageId)
  assert.equal(new Set(ids).size, ids.length, 'nothing came twice')
  const numbers = ids.slice(0, -1).map(Number)
  assert.deepEqual(numbers, [...numbers].sort((left, right) => left - right), 'in order')
  assert.ok(socket.gate.peak <= 31, `${socket.gate.peak} frames waited at once`)
})

test('session.nonces: a socket goes on for more frames than a session takes', async () => {
  const alice = new Party()
  const socket = await alice.member(unpaced.host, { sessionLimits: { nonces: 4_200 } })
  const joined = new Inbox(socket)
  socket.on('joinedRoom', joined.push)
  const first = socket.peer.sessions.byNonce.size
  for (let n = 1; n <= 4_500; n++) {
    await socket.emit('joinRoom', alice.room(`box ${n % 5}`))
    // As many as a client verifies at once.
    if (n % 20 === 0) await joined.atLeast(n, 'joinedRoom')
  }
  assert.ok(socket.peer.sessions.byNonce.size > first, 'the server began a new session')
})
