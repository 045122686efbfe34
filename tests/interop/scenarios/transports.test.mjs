// The AuthSocket client on each transport, and plain Socket.IO.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { io } from 'socket.io-client'

import { Inbox, Party, closeAll, next } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'

let server
before(async () => { server = await TestServer.start() })
afterEach(closeAll)
after(async () => { assert.equal(await server.stop(), 0) })

const transports = {
  'polling only': { transports: ['polling'] },
  'websocket only': { transports: ['websocket'] },
  'polling then upgrade': { transports: ['polling', 'websocket'] }
}

for (const [name, options] of Object.entries(transports)) {
  test(`every event over ${name}`, async () => {
    const alice = new Party()
    const room = alice.room('chat-room')
    const socket = alice.socket(server.host, options)
    socket.on('connect', () => socket.emit('authenticated', { identityKey: alice.key }))
    assert.deepEqual(await next(socket, 'authenticationSuccess'), { status: 'success' })
    socket.emit('joinRoom', room)
    assert.deepEqual(await next(socket, 'joinedRoom'), { roomId: room })
    const [acks, messages] = [new Inbox(), new Inbox()]
    const order = []
    socket.on(`sendMessageAck-${room}`, ack => { order.push('ack'); acks.push(ack) })
    socket.on(`sendMessage-${room}`, message => { order.push('message'); messages.push(message) })
    socket.emit('sendMessage', { roomId: room, message: { messageId: `${name} 1`, recipient: alice.key, body: 'raw' } })
    assert.deepEqual((await acks.atLeast(1))[0], { status: 'success', messageId: `${name} 1` })
    const [message] = await messages.atLeast(1)
    assert.deepEqual(order, ['ack', 'message'])
    assert.deepEqual([message.sender, message.body, message.recipient, message.messageBox], [alice.key, 'raw', alice.key, 'chat-room'])
    // The Rust client refuses a message that has a timestamp in both spellings.
    assert.deepEqual([typeof message.createdAt, typeof message.created_at], ['string', 'undefined'])
    socket.emit('leaveRoom', room)
    assert.deepEqual(await next(socket, 'leftRoom'), { roomId: room })
    for (let n = 2; n <= 50; n++) {
      socket.emit('sendMessage', { roomId: room, message: { messageId: `${name} ${n}`, recipient: alice.key, body: `${n}` } })
    }
    const ids = (await acks.atLeast(50, 'acks')).map(ack => ack.messageId)
    assert.equal(new Set(ids).size, 50)
    assert.equal(messages.items.length, 1, 'nothing comes after leaving')
  })
}

test('failures come as events that the client listens to', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const socket = alice.socket(server.host)
  socket.on('connect', () => socket.emit('authenticated', { identityKey: alice.key }))
  await next(socket, 'authenticationSuccess')
  const cases = [
    ['authenticated', { identityKey: bob.key }, 'authenticationFailed', /not the one that signed/],
    ['authenticated', { identityKey: 'nonsense' }, 'authenticationFailed', /Invalid identity key format/],
    ['authenticated', {}, 'authenticationFailed', /Missing identity key/],
    ['joinRoom', 7, 'joinFailed', /Invalid room ID/],
    ['joinRoom', bob.room('inbox'), 'joinFailed', /another identity/],
    ['leaveRoom', null, 'leaveFailed', /Invalid room ID/],
    ['sendMessage', 'text', 'messageFailed', /Invalid data object/],
    ['sendMessage', {}, 'messageFailed', /Invalid room ID/],
    ['sendMessage', { roomId: bob.room('inbox') }, 'messageFailed', /Invalid message object/],
    ['sendMessage', { roomId: bob.room('inbox'), message: { body: ' ' } }, 'messageFailed', /Invalid message body/],
    ['sendMessage', { roomId: bob.room('inbox'), message: { body: 'x' } }, 'messageFailed', /Invalid message ID/],
    ['sendMessage', { roomId: bob.room('inbox'), message: { body: 'x', messageId: '1', recipient: alice.key } }, 'messageFailed', /recipient/],
    ['sendMessage', { roomId: 'lobby', message: { body: 'x', messageId: '1' } }, 'messageFailed', /Invalid room ID/]
  ]
  for (const [event, data, failure, reason] of cases) {
    const failed = next(socket, failure)
    socket.emit(event, data)
    assert.match((await failed).reason, reason, `${event} ${JSON.stringify(data)}`)
  }
  const ack = next(socket, `sendMessageAck-${bob.room('inbox')}`)
  socket.emit('sendMessage', { roomId: bob.room('inbox'), message: { body: 'x', messageId: '1', recipient: alice.key } })
  assert.deepEqual([(await ack).status, (await ack).messageId], ['error', '1'])
})

test('unsigned events get unsigned answers with the reason', async () => {
  const socket = io(server.host, { forceNew: true })
  try {
    for (const [event, failure] of [
      ['authenticated', 'authenticationFailed'],
      ['joinRoom', 'joinFailed'],
      ['leaveRoom', 'leaveFailed'],
      ['sendMessage', 'paymentFailed']
    ]) {
      const failed = new Promise(resolve => socket.once(failure, resolve))
      socket.emit(event, { identityKey: new Party().key })
      assert.match((await failed).reason, /BRC-103.*@bsv\/authsocket-client/)
    }
  } finally {
    socket.disconnect()
  }
})

test('a socket that proves nothing is closed', async () => {
  const strict = await TestServer.start({ AUTH_TIMEOUT: '500ms' })
  const socket = io(strict.host, { forceNew: true, reconnection: false })
  try {
    const reason = await new Promise(resolve => socket.once('disconnect', resolve))
    assert.match(reason, /transport close|io server disconnect/)
  } finally {
    socket.disconnect()
    await strict.stop()
  }
})

test('garbage in an authMessage affects no other socket', async () => {
  const alice = new Party()
  const good = alice.socket(server.host)
  good.on('connect', () => good.emit('authenticated', { identityKey: alice.key }))
  await next(good, 'authenticationSuccess')
  const bad = io(server.host, { forceNew: true })
  try {
    await new Promise(resolve => bad.once('connect', resolve))
    const garbage = [null, 7, 'text', [], {}, { version: '0.1' }, { version: '9', messageType: 'general' },
      { version: '0.1', messageType: 'initialRequest', identityKey: 'xx', initialNonce: '!!' },
      { version: '0.1', messageType: 'general', identityKey: alice.key, nonce: 'AA==', yourNonce: 'AA==', payload: [1], signature: [48] }]
    for (const value of garbage) bad.emit('authMessage', value)
    bad.emit('joinRoom', 'x')
    await new Promise(resolve => bad.once('joinFailed', resolve))
    assert.ok(bad.connected)
    good.emit('joinRoom', alice.room('inbox'))
    await next(good, 'joinedRoom')
  } finally {
    bad.disconnect()
  }
})
