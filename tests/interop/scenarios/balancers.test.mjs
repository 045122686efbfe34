// Three servers with one database and one Redis behind the real nginx and HAProxy, set up by the files in `deploy/`.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'

import { Inbox, Party, closeAll, next } from '../support/clients.mjs'
import { isThere, testWith } from '../support/needs.mjs'
import { HAProxy, Nginx, Redis, ask, from } from '../support/processes.mjs'
import { TestServer } from '../support/server.mjs'

const POLLING = '/socket.io/?EIO=4&transport=polling'
const transports = {
  'polling only': ['polling'],
  'websocket only': ['websocket'],
  'polling then upgrade': ['polling', 'websocket']
}

let redis
let nodes = []
before(async () => {
  if (!isThere('redis-server')) return
  redis = await Redis.start()
  const env = { REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1', UNLIMITED_ADDRESSES: '127.0.0.1', HANDSHAKES_PER_ADDRESS: '2' }
  // The first creates the key and the tables.
  const first = await TestServer.start(env)
  const others = { ...env, DATA_DIR: first.folder }
  nodes = [first, ...await Promise.all([TestServer.start(others), TestServer.start(others)])]
})
afterEach(closeAll)
after(async () => {
  for (const node of nodes.reverse()) assert.equal(await node.stop(), 0)
  await redis?.stop()
})

async function start (t, Proxy, change) {
  const proxy = await Proxy.start(nodes, change)
  t.after(() => proxy.stop())
  return proxy
}

/** Begins a session over polling, and gives its id. */
async function open (proxy, agent) {
  const { status, text } = await ask(proxy.host + POLLING, { agent })
  assert.equal(status, 200, text)
  return JSON.parse(text.slice(1)).sid
}

async function post (host, sid, agent) {
  return (await ask(`${host}${POLLING}&sid=${sid}`, { agent, method: 'POST', body: '40' })).status
}

/** Two addresses of this machine whose sessions this balancer gives to two nodes. */
async function apart (proxy) {
  let first
  for (let n = 2; n < 100; n++) {
    const address = `127.0.0.${n}`
    const sid = await open(proxy, from(address))
    const statuses = await Promise.all(nodes.map(node => post(node.host, sid)))
    assert.deepEqual([...statuses].sort(), [200, 400, 400], 'a session is on one node')
    const node = statuses.indexOf(200)
    first ??= { address, node }
    if (node !== first.node) return [first.address, address]
  }
  assert.fail('every address goes to the same node')
}

async function member (proxy, address, options) {
  const party = new Party()
  const socket = party.socket(proxy.host, { transports: options, agent: from(address) })
  socket.on('connect', () => socket.emit('authenticated', { identityKey: party.key }))
  assert.deepEqual(await next(socket, 'authenticationSuccess'), { status: 'success' })
  socket.emit('joinRoom', party.room('inbox'))
  await next(socket, 'joinedRoom')
  const inbox = new Inbox()
  socket.on(`sendMessage-${party.room('inbox')}`, inbox.push)
  return { party, socket, inbox }
}

async function exchange (proxy, [near, far], options) {
  const [alice, bob] = [await member(proxy, near, options), await member(proxy, far, options)]
  const expected = Array.from({ length: 30 }, (_, n) => `${n}`)
  const acks = new Inbox()
  const roomId = bob.party.room('inbox')
  alice.socket.on(`sendMessageAck-${roomId}`, acks.push)
  for (const messageId of expected) {
    alice.socket.emit('sendMessage', { roomId, message: { messageId, recipient: bob.party.key, body: messageId } })
  }
  await acks.atLeast(expected.length, 'acks')
  const came = await bob.inbox.atLeast(expected.length)
  assert.deepEqual(came.map(message => message.messageId), expected)
}

for (const Proxy of [Nginx, HAProxy]) {
  const test = testWith('redis-server', Proxy.name.toLowerCase())

  test(`${Proxy.name}: every transport, between clients on two nodes`, async t => {
    const proxy = await start(t, Proxy)
    const addresses = await apart(proxy)
    for (const options of Object.values(transports)) await exchange(proxy, addresses, options)
  })

  test(`${Proxy.name}: without stickiness polling is broken, and websockets are not`, async t => {
    const proxy = await start(t, Proxy, text => {
      const changed = Proxy.withoutStickiness(text)
      assert.notEqual(changed, text)
      return changed
    })
    const agent = from('127.0.0.2')
    const sid = await open(proxy, agent)
    const statuses = []
    for (let n = 0; n < nodes.length; n++) statuses.push(await post(proxy.host, sid, agent))
    assert.ok(statuses.includes(400), `${statuses}`)
    await exchange(proxy, ['127.0.0.2', '127.0.0.3'], transports['websocket only'])
  })

  test(`${Proxy.name}: requests that are signed and large`, async t => {
    const proxy = await start(t, Proxy)
    const [alice, bob] = [new Party(), new Party()]
    const [fromAlice, fromBob] = [alice.fetch(), bob.fetch()]
    const call = async (client, route, body) => {
      const response = await client.fetch(proxy.host + route, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
      })
      assert.equal(response.status, 200)
      return await response.json()
    }
    // Larger than nginx's default limit. The client needs seconds to sign it.
    const sizes = { 1: 1, 2: 1, 3: 1, large: 1_200_000 }
    for (const [messageId, size] of Object.entries(sizes)) {
      const body = 'x'.repeat(size)
      await call(fromAlice, '/sendMessage', { message: { recipient: bob.key, messageBox: 'inbox', messageId, body } })
    }
    const { messages } = await call(fromBob, '/listMessages', { messageBox: 'inbox' })
    assert.deepEqual(messages.map(message => message.messageId), Object.keys(sizes))
    const quote = await fromAlice.fetch(`${proxy.host}/permissions/quote?recipient=${bob.key}&messageBox=a%20b%2Fc`)
    assert.equal(quote.status, 200)
    // As much as a payment takes.
    const { status } = await ask(`${proxy.host}/healthz`, { headers: { 'x-bsv-payment': 'x'.repeat(100_000) } })
    assert.equal(status, 200)
  })

  test(`${Proxy.name}: limits count the balancer's client, whatever that client claims`, async t => {
    const proxy = await start(t, Proxy)
    const flood = from('127.0.0.200')
    const headers = { 'x-forwarded-for': '127.0.0.1' }
    // A burst of twenty, and two per second.
    const asked = Array.from({ length: 100 }, () => ask(proxy.host + POLLING, { agent: flood, headers }))
    const statuses = (await Promise.all(asked)).map(answer => answer.status)
    assert.ok(statuses.includes(429), `${statuses}`)
    await open(proxy, from('127.0.0.201'))
  })
}
