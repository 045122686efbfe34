// The newest AuthSocket client on each transport, and the answers to its events.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { TestServer } from '../../support/server.mjs'
import { Inbox, Party, closeAll, next } from '../party.mjs'

let server
before(async () => { server = await TestServer.start() })
afterEach(closeAll)
after(async () => { assert.equal(await server.stop(), 0) })

const transports = {
  'polling only': ['polling'],
  'websocket only': ['websocket'],
  'polling then upgrade': ['polling', 'websocket']
}

for (const [name, list] of Object.entries(transports)) {
  test(`event.members: every event over ${name}`, async () => {
    const alice = new Party()
    const room = alice.room('chat-room')
    const socket = await alice.member(server.host, { options: { transports: list } })
    const joined = next(socket, 'joinedRoom')
    await socket.emit('joinRoom', room)
    assert.deepEqual(await joined, { roomId: room })
    const [acks, messages] = [new Inbox(socket), new Inbox(socket)]
    const order = []
    socket.on(`sendMessageAck-${room}`, ack => { order.push('ack'); acks.push(ack) })
    socket.on(`sendMessage-${room}`, message => { order.push('message'); messages.push(message) })
    const send = (messageId, body) => socket.emit('sendMessage', { roomId: room, message: { messageId, recipient: alice.key, body } })
    await send(`${name} 1`, 'raw')
    assert.deepEqual((await acks.atLeast(1))[0], { status: 'success', messageId: `${name} 1` })
    const [message] = await messages.atLeast(1)
    assert.deepEqual(order, ['ack', 'message'])
    assert.deepEqual([message.sender, message.body, message.recipient, message.messageBox], [alice.key, 'raw', alice.key, 'chat-room'])
    const left = next(socket, 'leftRoom')
    await socket.emit('leaveRoom', room)
    assert.deepEqual(await left, { roomId: room })
    for (let n = 2; n <= 50; n++) await send(`${name} ${n}`, `${n}`)
    const ids = (await acks.atLeast(50, 'acks')).map(({ messageId }) => messageId)
    assert.deepEqual(ids, Array.from({ length: 50 }, (_, n) => `${name} ${n + 1}`))
    assert.equal(messages.items.length, 1, 'nothing comes after leaving')
  })
}

test('event.members: failures come as events that the client may listen to', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const socket = await alice.member(server.host)
  const room = bob.room('inbox')
  const cases = [
    ['authenticated', { identityKey: bob.key }, 'authenticationFailed', /./],
    ['authenticated', { identityKey: 'nonsense' }, 'authenticationFailed', /Invalid identity key format/],
    ['authenticated', {}, 'authenticationFailed', /Missing identity key/],
    ['joinRoom', 7, 'joinFailed', /Invalid room ID/],
    ['joinRoom', room, 'joinFailed', /./],
    ['leaveRoom', null, 'leaveFailed', /Invalid room ID/],
    ['sendMessage', 'text', 'messageFailed', /Invalid data object/],
    ['sendMessage', {}, 'messageFailed', /Invalid room ID/],
    ['sendMessage', { roomId: room }, 'messageFailed', /Invalid message object/],
    ['sendMessage', { roomId: room, message: { body: ' ' } }, 'messageFailed', /Invalid message body/],
    ['sendMessage', { roomId: room, message: { body: 'x' } }, 'messageFailed', /Invalid message ID/],
    ['sendMessage', { roomId: room, message: { body: 'x', messageId: '1', recipient: alice.key } }, 'messageFailed', /./],
    ['sendMessage', { roomId: 'lobby', message: { body: 'x', messageId: '1' } }, 'messageFailed', /Invalid room ID/]
  ]
  for (const [event, data, failure, reason] of cases) {
    const failed = next(socket, failure)
    await socket.emit(event, data)
    assert.match((await failed).reason, reason, `${event} ${JSON.stringify(data)}`)
  }
  const ack = next(socket, `sendMessageAck-${room}`)
  await socket.emit('sendMessage', { roomId: room, message: { body: 'x', messageId: '1', recipient: alice.key } })
  const { status, messageId } = await ack
  assert.deepEqual([status, messageId], ['error', '1'])
})

test('socket.authenticated: every authenticated is answered', async () => {
  const alice = new Party()
  const socket = await alice.member(server.host)
  for (let n = 0; n < 3; n++) {
    const again = next(socket, 'authenticationSuccess')
    await socket.emit('authenticated', { identityKey: alice.key })
    assert.deepEqual(await again, { status: 'success' })
  }
})

test('session.replay: a repeated frame of the client changes nothing', async () => {
  const alice = new Party()
  const socket = await alice.member(server.host)
  const acks = new Inbox(socket)
  const room = alice.room('inbox')
  socket.on(`sendMessageAck-${room}`, acks.push)
  const sent = []
  const emit = socket.io.emit.bind(socket.io)
  socket.io.emit = (name, message) => { sent.push(message); return emit(name, message) }
  await socket.emit('sendMessage', { roomId: room, message: { messageId: 'once', recipient: alice.key, body: 'x' } })
  await acks.atLeast(1)
  emit('authMessage', sent[0])
  await socket.emit('sendMessage', { roomId: room, message: { messageId: 'twice', recipient: alice.key, body: 'x' } })
  await acks.atLeast(2)
  assert.deepEqual(acks.items.map(({ messageId }) => messageId), ['once', 'twice'])
})

test('socket.frames: garbage affects no other socket', async () => {
  const alice = new Party()
  const good = await alice.member(server.host)
  const bad = new Party().socket(server.host)
  await next(bad, 'connect')
  const garbage = [null, 7, 'text', [], {}, { version: '0.1' }, { version: '9', messageType: 'general' },
    { version: '0.1', messageType: 'initialRequest', identityKey: 'xx', initialNonce: '!!' },
    { version: '0.1', messageType: 'general', identityKey: alice.key, nonce: 'AA==', yourNonce: 'AA==', payload: [1], signature: [48] }]
  for (const value of garbage) bad.io.emit('authMessage', value)
  const joined = next(good, 'joinedRoom')
  await good.emit('joinRoom', alice.room('inbox'))
  await joined
})
