// A server that requires certificates, and clients that have the right one, another, or none.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { Certifier, TYPE, holder } from '../support/certificates.mjs'
import { Inbox, closeAll, next } from '../support/clients.mjs'
import { TestServer } from '../support/server.mjs'

const FIELDS = { name: 'Alice', Email: 'alice@example.com', _age: '30', 'full name': 'Alice A.' }
const TIMEOUT = 1_000

const certifier = new Certifier()
let server
/** A server whose time limit is short enough for clients without certificates. */
let impatient
before(async () => {
  const required = {
    AUTH_CERTIFIERS: `${new Certifier().key}, ${certifier.key}`,
    AUTH_CERTIFICATE_TYPES: `${TYPE}=name+Email`,
    AUTH_REQUIRE_FIELD: 'name=Alice,Email'
  }
  server = await TestServer.start(required)
  impatient = await TestServer.start({ ...required, AUTH_CERTIFICATE_TIMEOUT: `${TIMEOUT}ms` })
})
afterEach(closeAll)
after(async () => {
  for (const each of [server, impatient]) assert.equal(await each.stop(), 0)
})

/** Clients without a certificate. */
async function emptyHanded () {
  return {
    'without a certificate': await holder(),
    'with a certificate that was not asked for': await holder(new Certifier(), FIELDS)
  }
}

/** Clients with a refused certificate, and the reasons. */
async function refused () {
  return {
    'with a certificate of another certifier': [await holder(new Certifier(), FIELDS, true), /certifier/],
    'with a field that is not as required': [await holder(certifier, { ...FIELDS, name: 'Bob' }), /field "name"/]
  }
}

/** All clients that the server does not serve. */
async function outsiders () {
  const wrong = Object.entries(await refused()).map(([who, [party]]) => [who, party])
  return { ...await emptyHanded(), ...Object.fromEntries(wrong) }
}

async function list (party, host) {
  return await party.fetch().fetch(`${host}/listMessages`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"messageBox":"inbox"}'
  })
}

test('AuthFetch brings a certificate and is served', async () => {
  const response = await list(await holder(certifier, FIELDS), server.host)
  assert.deepEqual([response.status, await response.json()], [200, {
    status: 'success', messages: [], limit: 1000, offset: 0, nextOffset: 0, hasMore: false, nextCursor: null
  }])
})

test('AuthFetch without the certificate gets an error after the time limit', async () => {
  const began = Date.now()
  await Promise.all(Object.entries(await emptyHanded()).map(async ([who, party]) => {
    await assert.rejects(list(party, impatient.host), /408/, who)
  }))
  assert.ok(Date.now() - began >= TIMEOUT, 'it was waited for')
})

test('AuthFetch with a refused certificate gets the reason at once', async () => {
  await Promise.all(Object.entries(await refused()).map(async ([who, [party, reason]]) => {
    // This server's time limit is half a minute.
    const response = await list(party, server.host)
    const { code, description } = await response.json()
    assert.deepEqual([response.status, code], [403, 'ERR_CERTIFICATE_REFUSED'], who)
    assert.match(description, reason, who)
  }))
})

test('an AuthSocket client brings a certificate and is served', async () => {
  const party = await holder(certifier, FIELDS)
  const socket = party.socket(server.host)
  socket.on('connect', () => {
    socket.emit('authenticated', { identityKey: party.key })
    socket.emit('joinRoom', party.room('inbox'))
  })
  const joined = next(socket, 'joinedRoom')
  assert.deepEqual(await next(socket, 'authenticationSuccess'), { status: 'success' })
  assert.deepEqual(await joined, { roomId: party.room('inbox') })
})

test('an AuthSocket client without the certificate is cut off', async () => {
  await Promise.all(Object.entries(await outsiders()).map(async ([who, party]) => {
    const socket = party.socket(impatient.host, { reconnection: false })
    const answers = new Inbox()
    for (const event of ['authenticationSuccess', 'authenticationFailed', 'joinedRoom']) socket.on(event, answers.push)
    socket.on('connect', () => {
      socket.emit('authenticated', { identityKey: party.key })
      socket.emit('joinRoom', party.room('inbox'))
    })
    await next(socket, 'disconnect')
    assert.deepEqual(answers.items, [], who)
  }))
})

test('live messages go between clients with certificates', async () => {
  const [alice, bob] = [await holder(certifier, FIELDS), await holder(certifier, FIELDS)]
  const [fromAlice, fromBob] = [alice.messageBox(server.host), bob.messageBox(server.host)]
  for (const client of [fromAlice, fromBob]) await client.initializeConnection()
  const inbox = new Inbox()
  await fromBob.listenForLiveMessages({ messageBox: 'inbox', onMessage: inbox.push })
  await fromAlice.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'hello' })
  assert.equal((await inbox.atLeast(1))[0].body, 'hello')
  const listed = await fromBob.listMessages({ messageBox: 'inbox', host: server.host })
  assert.deepEqual(listed.map(message => message.body), ['hello'])
})

test('a silent client brings its certificate in the answer to a handshake of the server', async () => {
  const eager = await TestServer.start({ ...server.env, AUTH_REVIVAL_DELAY: '100ms' })
  try {
    const party = await holder(certifier, FIELDS)
    const admitted = new Inbox()
    eager.process.stderr.on('data', () => { if (/socket \S+ is IdentityKey/.test(eager.log)) admitted.push(true) })
    const socket = party.socket(eager.host)
    // It has sent nothing by itself.
    await admitted.atLeast(1, 'admission')
    const joined = next(socket, 'joinedRoom')
    socket.emit('joinRoom', party.room('inbox'))
    assert.deepEqual(await joined, { roomId: party.room('inbox') })
  } finally {
    await closeAll()
    await eager.stop()
  }
})
