// Three servers with one key and one database behind balancers, for clients of the newest generation.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'

import { Balancer } from '../../support/balancer.mjs'
import { HAProxy, Nginx, Redis, from } from '../../support/processes.mjs'
import { TestServer } from '../../support/server.mjs'
import { Inbox, Party, closeAll, next } from '../party.mjs'

let redis
let nodes
let balancer

before(async () => {
  redis = await Redis.start()
  const env = { REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1', UNLIMITED_ADDRESSES: '127.0.0.1' }
  // The first creates the key and the tables, and the others use them.
  const first = await TestServer.start(env)
  const others = { ...env, DATA_DIR: first.folder }
  nodes = [first, ...await Promise.all([TestServer.start(others), TestServer.start(others)])]
})
after(async () => {
  closeAll()
  for (const node of nodes.reverse()) assert.equal(await node.stop(), 0)
  await redis.stop()
})
beforeEach(async () => { balancer = await Balancer.start(nodes) })
afterEach(async () => {
  closeAll()
  await balancer.stop()
})

const send = (box, recipient, messageId) =>
  box.sendMessage({ recipient: recipient.key, messageBox: 'inbox', messageId, body: messageId, skipEncryption: true })
const ids = async box => (await box.list({ messageBox: 'inbox' })).map(({ messageId }) => messageId)

async function persistently (attempt) {
  for (let left = 5; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

test('recovery.attempts: each request goes to another node, in one session', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.box(balancer.host), bob.box(balancer.host)]
  const expected = Array.from({ length: 20 }, (_, n) => `in turn ${n}`)
  for (const id of expected) {
    await send(fromAlice, bob, id)
    assert.ok((await ids(fromBob)).includes(id))
    balancer.turn += expected.indexOf(id) % 2
  }
  assert.deepEqual(await ids(fromBob), expected)
  await fromBob.acknowledge(expected)
  assert.deepEqual(await ids(fromBob), [])
  assert.equal(balancer.handshakes, 2)
  assert.deepEqual(Object.keys(balancer.statuses), ['200'])
})

test('recovery.attempts: the first request after a handshake goes to another node', async () => {
  for (let n = 0; n < 12; n++) assert.deepEqual(await ids(new Party().box(balancer.host)), [])
  assert.deepEqual(Object.keys(balancer.statuses), ['200'])
})

test('recovery.attempts: a node that is killed and replaced costs no session', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.box(balancer.host), bob.box(balancer.host)]
  assert.deepEqual(await ids(fromBob), [])
  const expected = Array.from({ length: 30 }, (_, n) => `${n}`)
  let replaced
  for (const id of expected) {
    if (id === '8') await nodes[1].kill()
    if (id === '16') replaced = nodes[1].launch()
    await persistently(() => send(fromAlice, bob, id))
  }
  await replaced
  assert.deepEqual(await ids(fromBob), expected)
  assert.equal(balancer.handshakes, 2)
  assert.equal(balancer.statuses[401], undefined)
})

const transports = { 'polling only': ['polling'], 'websocket only': ['websocket'], 'polling then upgrade': ['polling', 'websocket'] }

for (const Proxy of [Nginx, HAProxy]) {
  for (const [name, list] of Object.entries(transports)) {
    test(`event.members: ${Proxy.name}, ${name}: clients behind it talk to each other`, async t => {
      const proxy = await Proxy.start(nodes)
      t.after(() => proxy.stop())
      const member = async address => {
        const party = new Party()
        const socket = await party.member(proxy.host, { options: { transports: list, agent: from(address) } })
        const joined = next(socket, 'joinedRoom')
        await socket.emit('joinRoom', party.room('inbox'))
        await joined
        return { party, socket }
      }
      const [alice, bob] = [await member('127.0.0.2'), await member('127.0.0.7')]
      const [acks, inbox] = [new Inbox(alice.socket), new Inbox(bob.socket)]
      const roomId = bob.party.room('inbox')
      alice.socket.on(`sendMessageAck-${roomId}`, acks.push)
      bob.socket.on(`sendMessage-${roomId}`, inbox.push)
      const expected = Array.from({ length: 20 }, (_, n) => `${n}`)
      for (const messageId of expected) {
        await alice.socket.emit('sendMessage', { roomId, message: { messageId, recipient: bob.party.key, body: messageId } })
      }
      await acks.atLeast(20, 'acks')
      assert.deepEqual((await inbox.atLeast(20)).map(({ messageId }) => messageId), expected)
      closeAll()
    })
  }

  test(`request.payload: ${Proxy.name}: requests that are signed and large`, async t => {
    const proxy = await Proxy.start(nodes)
    t.after(() => proxy.stop())
    const [alice, bob] = [new Party(), new Party()]
    const body = 'x'.repeat(1_200_000)
    await alice.box(proxy.host).sendMessage({ recipient: bob.key, messageBox: 'inbox', messageId: 'large', body, skipEncryption: true })
    assert.deepEqual((await bob.box(proxy.host).list({ messageBox: 'inbox' })).map(item => item.body), [body])
  })
}
