// Requests of the newest generation: send, list in pages, acknowledge, permissions, devices.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { TestServer } from '../../support/server.mjs'
import { Party, codeOf, forEachWallet } from '../party.mjs'
import { Refusal, demand } from '../refusal.mjs'

let server
before(async () => { server = await TestServer.start() })
after(async () => { assert.equal(await server.stop(), 0) })

const two = delay => {
  const [alice, bob] = [new Party({ delay }), new Party({ delay })]
  return { alice, bob, fromAlice: alice.box(server.host), fromBob: bob.box(server.host) }
}

forEachWallet(describe, test, 'message.nonce.session: messages are sent, listed and acknowledged', async delay => {
  const { alice, bob, fromAlice, fromBob } = two(delay)
  const sent = await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'inbox', body: { a: 1 } })
  const listed = await fromBob.list({ messageBox: 'inbox' })
  assert.deepEqual(listed.map(({ messageId, sender, body }) => [messageId, sender, JSON.parse(body)]), [[sent.messageId, alice.key, { a: 1 }]])
  assert.deepEqual(await fromAlice.list({ messageBox: 'inbox' }), [])
  assert.equal(await codeOf(fromAlice.acknowledge([sent.messageId])), 'ERR_INVALID_ACKNOWLEDGMENT')
  assert.equal((await fromBob.acknowledge([sent.messageId])).status, 'success')
  assert.deepEqual(await fromBob.list({ messageBox: 'inbox' }), [])
})

test('box.list-page: an inbox is read page by page to its end', async () => {
  const { bob, fromAlice, fromBob } = two(0)
  const all = Array.from({ length: 35 }, (_, n) => `message ${n}`)
  for (const body of all) await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'pages', body, skipEncryption: true })
  const bodies = async options => (await fromBob.list({ messageBox: 'pages', ...options })).map(({ body }) => body)
  assert.deepEqual(await bodies({}), all)
  assert.deepEqual(await bodies({ pageSize: 10 }), all)
  assert.deepEqual(await bodies({ pageSize: 10, limit: 25 }), all.slice(0, 25))
  const one = (await fromBob.list({ messageBox: 'pages' }))[20]
  assert.deepEqual((await fromBob.list({ messageBox: 'pages', messageId: one.messageId })).map(({ body }) => body), ['message 20'])
  assert.deepEqual(await fromBob.list({ messageBox: 'a box that nobody made' }), [])
})

test('reply.payload: an inbox of more than 4 MB is read in pages that each fit', async () => {
  const { bob, fromAlice, fromBob } = two(0)
  // Quotes double in each layer of JSON: what counts is the encoded answer.
  const body = '"'.repeat(60_000)
  for (let n = 0; n < 40; n++) {
    await fromAlice.sendMessage({ recipient: bob.key, messageBox: 'quotes', messageId: `${n}`, body, skipEncryption: true })
  }
  const listed = await fromBob.list({ messageBox: 'quotes' })
  assert.deepEqual(listed.map(({ messageId }) => messageId), Array.from({ length: 40 }, (_, n) => `${n}`))
  assert.ok(listed.every(item => item.body === body))
  assert.ok(fromBob.pages > 1)
})

test('reply.payload: one message is as large as a page, and a larger one is refused when it is sent', async () => {
  const { bob, fromAlice, fromBob } = two(0)
  const message = { recipient: bob.key, messageBox: 'large', skipEncryption: true }
  const body = 'x'.repeat(3_900_000)
  await fromAlice.sendMessage({ ...message, messageId: 'fits', body })
  const [listed] = await fromBob.list({ messageBox: 'large' })
  assert.equal(listed.body, body)
  // 2 MB of quotes make 8 MB in the list.
  assert.match(await codeOf(fromAlice.sendMessage({ ...message, messageId: 'too large', body: '"'.repeat(2_000_000) })), /TOO_LARGE/)
})

test('box.code: errors are signed and have codes, also those of routes that do not exist', async () => {
  const box = new Party().box(server.host)
  const cases = [
    ['POST', '/nothing', {}, 'ERR_NOT_FOUND'],
    ['POST', '/sendMessage', {}, 'ERR_MESSAGE_REQUIRED'],
    ['POST', '/listMessages', {}, 'ERR_MESSAGEBOX_REQUIRED'],
    ['POST', '/listMessages', { messageBox: 'x', limit: 0 }, 'ERR_INVALID_LIMIT'],
    ['POST', '/listMessages', { messageBox: 'x', offset: -1 }, 'ERR_INVALID_OFFSET'],
    ['POST', '/acknowledgeMessage', { messageIds: [] }, 'ERR_MESSAGE_ID_REQUIRED'],
    ['GET', '/devices?limit=0', undefined, 'ERR_INVALID_LIMIT'],
    ['GET', '/sendMessage', undefined, 'ERR_METHOD_NOT_ALLOWED']
  ]
  for (const [method, path, body, code] of cases) {
    assert.equal(await codeOf(box.request(method, path, body)), code, `${method} ${path} ${JSON.stringify(body)}`)
  }
})

test('reply.empty-body: HEAD is never signed', async () => {
  const client = new Party().fetch()
  assert.equal((await client.fetch(`${server.host}/devices`)).status, 200)
  // A signed answer without a body verifies with one generation only.
  await client.fetch(`${server.host}/devices`, { method: 'HEAD' }).catch(error => {
    if (error.rule !== 'reply.unsigned') throw new Refusal('reply.empty-body', `HEAD was answered signed: ${error.message}`)
  })
})

test('session.replay: two clients of one identity work side by side', async () => {
  const party = new Party()
  const boxes = [party.box(server.host), party.box(server.host)]
  await Promise.all(Array.from({ length: 40 }, (_, n) => boxes[n % 2].list({ messageBox: `box ${n}` })))
})

test('recovery.attempts: a session outlives a crash of the server', async () => {
  const restarted = await TestServer.start()
  try {
    const box = new Party().box(restarted.host)
    await box.list({ messageBox: 'inbox' })
    await restarted.restart()
    await box.list({ messageBox: 'inbox' })
    await box.list({ messageBox: 'inbox' })
    assert.equal(box.authFetch.origin(restarted.host).handshakes, 1, 'the session is kept in the store')
  } finally {
    await restarted.stop()
  }
})

test('recovery.attempts: a client recovers from an expired and from a used-up session', async () => {
  const short = await TestServer.start({ AUTH_SESSION_TTL: '1s', AUTH_MAX_SEEN_NONCES: '3' })
  try {
    const box = new Party().box(short.host)
    for (let n = 0; n < 10; n++) await box.list({ messageBox: 'inbox' })
    await sleep(1_100)
    await box.list({ messageBox: 'inbox' })
    assert.ok(box.authFetch.origin(short.host).handshakes > 1)
  } finally {
    await short.stop()
  }
})

test('reply.unsigned: too many requests are refused in the session', async () => {
  const strict = await TestServer.start({ REQUESTS_PER_IDENTITY: '1', LIMITS_BURST: '2s' })
  try {
    const client = new Party().fetch()
    const ask = () => client.fetch(`${strict.host}/devices`)
    let refused
    for (let n = 0; n < 1_000 && refused === undefined; n++) {
      const reply = await ask()
      if (reply.status === 429) refused = reply.json()
    }
    assert.equal(refused.code, 'ERR_RATE_LIMITED')
    while ((await ask()).status !== 200) await sleep(200)
  } finally {
    await strict.stop()
  }
})

test('box.results: ids have up to 256 bytes; a duplicate succeeds; the id in another box is refused', async () => {
  const { bob, fromAlice, fromBob } = two(0)
  const message = { recipient: bob.key, messageBox: 'ids', body: 'text' }
  for (const messageId of ['x'.repeat(256), 'é'.repeat(128)]) await fromAlice.sendMessage({ ...message, messageId })
  assert.equal(await codeOf(fromAlice.sendMessage({ ...message, messageId: 'é'.repeat(129) })), 'ERR_INVALID_MESSAGEID')
  await fromAlice.sendMessage({ ...message, messageId: 'x'.repeat(256) })
  assert.equal((await fromBob.list({ messageBox: 'ids' })).length, 2)
  assert.equal((await fromBob.acknowledge(['x'.repeat(256), 'é'.repeat(128)])).status, 'success')
  // The id of the same text is the same in every box.
  await fromAlice.sendMessage({ ...message, messageBox: 'first' })
  assert.equal(await codeOf(fromAlice.sendMessage({ ...message, messageBox: 'second' })), 'ERR_DUPLICATE_MESSAGE')
})

test('event.name: box names that would cut a listener are refused', async () => {
  const { bob, fromAlice } = two(0)
  for (const messageBox of ['x'.repeat(129), 'a\u0001', 'a\u202e', 'a\u2066b', 'é'.repeat(65)]) {
    const code = await codeOf(fromAlice.sendMessage({ recipient: bob.key, messageBox, body: messageBox }))
    assert.match(code, /^ERR_(INVALID_MESSAGEBOX|MESSAGEBOX_TOO_LARGE)$/, JSON.stringify(messageBox))
  }
})

test('box.permission: permissions are set, read and listed', async () => {
  const { alice, fromBob } = two(0)
  await fromBob.setPermission({ messageBox: 'chat', recipientFee: 5 })
  await fromBob.setPermission({ messageBox: 'chat', sender: alice.key, recipientFee: -1 })
  assert.equal((await fromBob.getPermission({ messageBox: 'chat', sender: alice.key })).status, 'blocked')
  assert.equal(await fromBob.getPermission({ messageBox: 'other' }), null)
  assert.equal((await fromBob.listPermissions({ messageBox: 'chat', limit: 100, offset: 0 })).length, 2)
  assert.equal((await fromBob.listPermissions({ messageBox: 'chat', limit: 1, offset: 1 })).length, 1)
})

test('box.quote-totals: quotes of many recipients add up', async () => {
  const priced = await TestServer.start({ MESSAGEBOX_FEES: 'served=10' })
  try {
    const [alice, bob, carol] = [new Party(), new Party(), new Party()]
    await bob.box(priced.host).setPermission({ messageBox: 'served', recipientFee: -1 })
    await carol.box(priced.host).setPermission({ messageBox: 'served', recipientFee: 7 })
    const box = alice.box(priced.host)
    const quotes = await box.quotes({ recipients: [bob.key, carol.key, alice.key], messageBox: 'served' })
    assert.deepEqual([quotes.totals.deliveryFees, quotes.blockedRecipients], [30, [bob.key]])
    assert.deepEqual(await box.quote({ recipient: carol.key, messageBox: 'served' }), { deliveryFee: 10, recipientFee: 7 })
  } finally {
    await priced.stop()
  }
})

test('box.device-time: devices are registered and listed; a token of somebody else is not taken over', async () => {
  const { alice, fromAlice, fromBob } = two(0)
  const token = `${'t'.repeat(400)}${randomBytes(8).toString('hex')}`
  await fromAlice.registerDevice({ fcmToken: token, deviceId: 'mine', platform: 'web' })
  await fromAlice.registerDevice({ fcmToken: token, deviceId: 'mine', platform: 'web' })
  assert.deepEqual((await fromAlice.devices()).map(({ deviceId }) => deviceId), ['mine'])
  assert.equal(await codeOf(fromBob.registerDevice({ fcmToken: token })), 'ERR_DEVICE_TOKEN_ALREADY_REGISTERED')
  for (let n = 0; n < 3; n++) await fromAlice.registerDevice({ fcmToken: `${alice.key} ${n}` })
  assert.equal((await fromAlice.devices({ limit: 2 })).length, 2)
  assert.equal((await fromAlice.devices({ limit: 2, offset: 3 })).length, 1)
})

test('session.certificates: a certificateRequest of a client is answered', async () => {
  const client = new Party().fetch()
  await client.fetch(`${server.host}/devices`)
  const { peer } = client.origin(server.host)
  await peer.requestCertificates({ certifiers: [], types: {} })
  assert.equal(peer.certificateResponses, 1)
})

test('scenario: an idle connection is kept', async () => {
  const connection = net.connect(server.port, '127.0.0.1')
  try {
    await once(connection, 'connect')
    const ask = async () => {
      connection.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
      const [chunk] = await once(connection, 'data', { signal: AbortSignal.timeout(5_000) })
        .catch(() => { throw new Refusal('scenario', 'the server closed an idle connection') })
      assert.match(chunk.toString(), /^HTTP\/1\.1 \d\d\d/)
    }
    await ask()
    // A client that signs megabytes is as busy, and takes the connection from its pool again.
    await sleep(8_000)
    await ask()
  } finally {
    connection.destroy()
  }
})

test('scenario: health is asked without authentication', async () => {
  for (const path of ['/health', '/healthz', '/ready', '/readyz']) {
    const reply = await fetch(server.host + path)
    demand(reply.status === 200, 'scenario', `${path} got ${reply.status}`)
  }
})
