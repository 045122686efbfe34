// AuthFetch against the HTTP side.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { Balancer } from '../support/balancer.mjs'
import { Party } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'

let server
before(async () => { server = await TestServer.start() })
after(async () => { assert.equal(await server.stop(), 0) })

async function post (client, route, body, headers = {}) {
  const response = await client.fetch(`${server.host}${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  })
  return [response.status, await response.json()]
}

test('messages are sent, listed and acknowledged', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.fetch(), bob.fetch()]
  const message = { recipient: bob.key, messageBox: 'inbox', messageId: '1', body: { a: 1 } }
  assert.deepEqual(await post(fromAlice, '/sendMessage', { message }), [200, {
    status: 'success',
    message: 'Your message has been sent to 1 recipient(s).',
    messageId: '1',
    results: [{ recipient: bob.key, messageId: '1' }]
  }])
  const [, listed] = await post(fromBob, '/listMessages', { messageBox: 'inbox' })
  assert.deepEqual(listed.messages.map(item => [item.messageId, item.sender, item.body]), [['1', alice.key, '{"message":{"a":1}}']])
  assert.deepEqual(await post(fromAlice, '/listMessages', { messageBox: 'inbox' }), [200, {
    status: 'success', messages: [], limit: 1000, offset: 0, nextOffset: 0, hasMore: false, nextCursor: null
  }])
  assert.equal((await post(fromAlice, '//acknowledgeMessage', { messageIds: ['1'] }))[1].code, 'ERR_INVALID_ACKNOWLEDGMENT')
  assert.deepEqual(await post(fromBob, '//acknowledgeMessage', { messageIds: ['1'] }), [200, { status: 'success' }])
})

test('errors are signed, also those of routes that do not exist', async () => {
  const client = new Party().fetch()
  const cases = [
    ['/nothing', {}, 404, 'ERR_NOT_FOUND'],
    ['/sendMessage', {}, 400, 'ERR_MESSAGE_REQUIRED'],
    ['/listMessages', {}, 400, 'ERR_MESSAGEBOX_REQUIRED'],
    ['/acknowledgeMessage', { messageIds: [] }, 400, 'ERR_MESSAGE_ID_REQUIRED'],
    ['/listMessages?x=%20y', '{', 400, 'ERR_INVALID_JSON']
  ]
  for (const [route, body, status, code] of cases) {
    const [gotStatus, answer] = await post(client, route, body)
    assert.deepEqual([gotStatus, answer.status, answer.code], [status, 'error', code], route)
    assert.equal(typeof answer.description, 'string')
  }
  const got = await client.fetch(`${server.host}/sendMessage`, { method: 'GET' })
  assert.equal(got.status, 405)
})

test('two clients of one identity work side by side', async () => {
  const party = new Party()
  const clients = [party.fetch(), party.fetch()]
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) =>
    post(clients[n % 2], '/listMessages', { messageBox: `box ${n}` })))
  assert.ok(answers.every(([status]) => status === 200))
})

test('a client keeps its session after a restart of the server', async () => {
  const restarted = await TestServer.start()
  const balancer = await Balancer.start([restarted])
  try {
    const client = new Party().fetch()
    const list = async () => (await client.fetch(`${balancer.host}/listMessages`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"messageBox":"inbox"}'
    })).status
    assert.equal(await list(), 200)
    await restarted.restart()
    assert.equal(await list(), 200)
    assert.equal(await list(), 200)
    assert.equal(balancer.handshakes, 1)
  } finally {
    await balancer.stop()
    await restarted.stop()
  }
})

test('a client recovers by itself from an expired and from a used-up session', async () => {
  const short = await TestServer.start({ AUTH_SESSION_TTL: '1s', AUTH_MAX_SEEN_NONCES: '3' })
  try {
    const client = new Party().fetch()
    const list = async () => (await client.fetch(`${short.host}/listMessages`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"messageBox":"inbox"}'
    })).status
    for (let n = 0; n < 10; n++) assert.equal(await list(), 200, `request ${n}`)
    await new Promise(resolve => setTimeout(resolve, 1_100))
    assert.equal(await list(), 200)
  } finally {
    await short.stop()
  }
})

test('a large body is taken', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const body = 'x'.repeat(2_000_000)
  const message = { recipient: bob.key, messageBox: 'inbox', messageId: 'large', body }
  assert.equal((await post(alice.fetch(), '/sendMessage', { message }))[0], 200)
  const [, listed] = await post(bob.fetch(), '/listMessages', { messageBox: 'inbox' })
  assert.equal(JSON.parse(listed.messages[0].body).message, body)
})

test('a client over its rate gets a signed error and keeps its session', async () => {
  const strict = await TestServer.start({ REQUESTS_PER_IDENTITY: '1', LIMITS_BURST: '2s' })
  const client = new Party().fetch()
  const ask = async () => await client.fetch(`${strict.host}/devices`, { method: 'GET' })
  const statuses = []
  let refused
  while (refused === undefined && statuses.length < 1000) {
    const response = await ask()
    statuses.push(response.status)
    if (response.status === 429) refused = await response.json()
  }
  assert.equal(statuses[0], 200)
  assert.equal(refused.code, 'ERR_RATE_LIMITED')
  while ((await ask()).status !== 200) await new Promise(resolve => setTimeout(resolve, 200))
  assert.equal(await strict.stop(), 0)
})
