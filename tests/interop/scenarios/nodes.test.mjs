// Three servers with one key and one database behind a load balancer that knows nothing of sessions.

import assert from 'node:assert/strict'
import { after, before, beforeEach, afterEach, test } from 'node:test'

import { Balancer } from '../support/balancer.mjs'
import { Party } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'

let nodes
let balancer

before(async () => {
  // The first creates the key and the tables, and the others use them.
  const first = await TestServer.start()
  const env = { DATA_DIR: first.folder }
  nodes = [first, ...await Promise.all([TestServer.start(env), TestServer.start(env)])]
})
after(async () => {
  for (const node of nodes.reverse()) assert.equal(await node.stop(), 0)
})
beforeEach(async () => { balancer = await Balancer.start(nodes) })
afterEach(async () => { await balancer.stop() })

async function post (client, route, body) {
  const response = await client.fetch(`${balancer.host}${route}`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  const answer = await response.json()
  assert.equal(response.status, 200, JSON.stringify(answer))
  return answer
}

/** Like a careful application: repeats a failed call that may be repeated. */
async function persistently (attempt) {
  for (let left = 5; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

function message (recipient, messageId) {
  return { message: { recipient: recipient.key, messageBox: 'inbox', messageId, body: messageId } }
}

async function ids (client) {
  const { messages } = await post(client, '/listMessages', { messageBox: 'inbox' })
  return messages.map(item => item.messageId)
}

test('a client never notices that each of its requests goes to another node', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.fetch(), bob.fetch()]
  const expected = Array.from({ length: 30 }, (_, n) => `in turn ${n}`)
  for (const id of expected) {
    await post(fromAlice, '/sendMessage', message(bob, id))
    // Bob's session meets every node too, however many requests Alice makes in between.
    assert.ok((await ids(fromBob)).includes(id))
    balancer.turn += expected.indexOf(id) % 2
  }
  assert.deepEqual(await ids(fromBob), expected)
  const many = await Promise.all(Array.from({ length: 30 }, () => ids(fromBob)))
  for (const one of many) assert.deepEqual(one, expected)
  await post(fromBob, '/acknowledgeMessage', { messageIds: expected })
  assert.deepEqual(await ids(fromBob), [])
  assert.equal(balancer.handshakes, 2)
  assert.deepEqual(Object.keys(balancer.statuses), ['200'])
})

test('a node that is killed and replaced costs no session, and a retry heals every other failure', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.fetch(), bob.fetch()]
  assert.deepEqual(await ids(fromBob), [])
  const expected = Array.from({ length: 60 }, (_, n) => `${n}`)
  let replaced
  for (const id of expected) {
    if (id === '15') await nodes[1].kill()
    if (id === '30') replaced = nodes[1].launch()
    await persistently(() => post(fromAlice, '/sendMessage', message(bob, id)))
    assert.ok((await persistently(() => ids(fromBob))).includes(id))
  }
  await replaced
  for (let n = 0; n < nodes.length; n++) assert.deepEqual(await ids(fromBob), expected)
  assert.equal(balancer.handshakes, 2)
  assert.deepEqual(Object.keys(balancer.statuses), ['200', '502'])
})

test('so do all nodes, shut down and started anew one after the other', async () => {
  const [alice, bob] = [new Party(), new Party()]
  const [fromAlice, fromBob] = [alice.fetch(), bob.fetch()]
  for (const client of [fromAlice, fromBob]) assert.deepEqual(await ids(client), [])
  const sent = []
  let done = false
  const sending = (async () => {
    while (!done) {
      const id = `rolling ${sent.length}`
      await persistently(() => post(fromAlice, '/sendMessage', message(bob, id)))
      sent.push(id)
    }
  })()
  for (const node of nodes) {
    assert.equal(await node.drain(), 0)
    await node.launch()
  }
  done = true
  await sending
  assert.ok(sent.length > 0)
  assert.deepEqual(await ids(fromBob), sent)
  assert.equal(balancer.handshakes, 2)
  assert.equal(balancer.statuses[401], undefined)
})
