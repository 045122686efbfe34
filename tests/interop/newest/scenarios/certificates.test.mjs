// A server that demands certificates, and clients of the newest generation that have the right one, another, or none.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { Certifier, TYPE, holder } from '../../support/certificates.mjs'
import { TestServer } from '../../support/server.mjs'
import { DELAYS, Inbox, Party, closeAll, listen, next } from '../party.mjs'

const FIELDS = { name: 'Alice', Email: 'alice@example.com', _age: '30' }
const certifier = new Certifier()
let server
let impatient
before(async () => {
  const required = {
    AUTH_CERTIFIERS: certifier.key,
    AUTH_CERTIFICATE_TYPES: `${TYPE}=name+Email`,
    AUTH_REQUIRE_FIELD: 'name=Alice,Email'
  }
  server = await TestServer.start(required)
  impatient = await TestServer.start({ ...required, AUTH_CERTIFICATE_TIMEOUT: '1s' })
})
afterEach(closeAll)
after(async () => {
  for (const each of [server, impatient]) assert.equal(await each.stop(), 0)
})

/** A party of the newest generation with a certificate of this certifier, or none. */
async function certified (from, { fields = FIELDS, brash = false, delay = 0 } = {}) {
  const older = await holder(from, fields, brash)
  const party = new Party({ delay, wallet: () => older.wallet })
  party.privateKey = older.privateKey
  party.key = older.key
  return party
}

const emptyHanded = async () => ({
  'without a certificate': await certified(),
  'with a certificate that was not asked for': await certified(new Certifier())
})
const refused = async () => ({
  'with a certificate of another certifier': await certified(new Certifier(), { brash: true }),
  'with a field that is not as required': await certified(certifier, { fields: { ...FIELDS, name: 'Bob' } })
})
const outsiders = async () => ({ ...await emptyHanded(), ...await refused() })

for (const delay of DELAYS) {
  test(`message.certificates: a certified client is served over HTTP (${delay} ms a wallet call)`, async () => {
    const party = await certified(certifier, { delay })
    assert.deepEqual(await party.box(server.host).list({ messageBox: 'inbox' }), [])
  })
}

test('message.certificates: a client without the certificate gets 408 when the time is over', async () => {
  await Promise.all(Object.entries(await emptyHanded()).map(async ([who, party]) => {
    const reply = await party.fetch().fetch(`${impatient.host}/devices`).catch(error => error)
    assert.ok(reply.status === 408 || /408/.test(reply.message), `${who}: ${reply.status ?? reply}`)
  }))
})

test('message.certificates: a client whose certificate is refused gets 403 at once, with the reason', async () => {
  await Promise.all(Object.entries(await refused()).map(async ([who, party]) => {
    // This server's time limit is half a minute.
    const reply = await party.fetch().fetch(`${server.host}/devices`)
    assert.equal(reply.status, 403, who)
    assert.equal((await reply.json()).code, 'ERR_CERTIFICATE_REFUSED', who)
  }))
})

test('message.certificates: a certified socket is served', async () => {
  const party = await certified(certifier)
  const socket = await party.member(server.host)
  const joined = next(socket, 'joinedRoom')
  await socket.emit('joinRoom', party.room('inbox'))
  assert.deepEqual(await joined, { roomId: party.room('inbox') })
})

test('message.certificates: a socket without the certificate is cut off', async () => {
  await Promise.all(Object.entries(await outsiders()).map(async ([who, party]) => {
    const socket = party.socket(impatient.host, { options: { reconnection: false } })
    const answers = new Inbox()
    for (const event of ['authenticationSuccess', 'authenticationFailed', 'joinedRoom']) socket.on(event, answers.push)
    socket.on('connect', () => { socket.emit('authenticated', { identityKey: party.key }).catch(() => {}) })
    await next({ on: socket.on.bind(socket), off: socket.off.bind(socket) }, 'disconnect')
    assert.deepEqual(answers.items, [], who)
  }))
})

test('message.certificates: live messages go between certified clients', async () => {
  const [alice, bob] = [await certified(certifier), await certified(certifier)]
  const [fromAlice, fromBob] = [alice.box(server.host), bob.box(server.host)]
  const inbox = await listen(fromBob, 'inbox')
  await fromAlice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'hello' })
  assert.equal((await inbox.atLeast(1))[0].body, 'hello')
  assert.deepEqual((await fromBob.list({ messageBox: 'inbox' })).map(({ body }) => body), ['hello'])
})

test('message.certificates: a silent client brings its certificate in the answer to a handshake of the server', async () => {
  const eager = await TestServer.start({ ...server.env, AUTH_REVIVAL_DELAY: '100ms' })
  try {
    const party = await certified(certifier)
    const socket = party.socket(eager.host)
    await eager.logged('is IdentityKey')
    const joined = next(socket, 'joinedRoom')
    await socket.emit('joinRoom', party.room('inbox'))
    assert.deepEqual(await joined, { roomId: party.room('inbox') })
  } finally {
    closeAll()
    await eager.stop()
  }
})

test('session.certificates: a client that demands certificates of the server sends nothing without them', async () => {
  const party = await certified(certifier)
  const client = party.fetch({ requested: { certifiers: [certifier.key], types: { [TYPE]: ['name'] } } })
  await assert.rejects(client.fetch(`${server.host}/devices`), error => error.rule === 'session.certificates')
})
