// Both generations in one conversation, on one server with its default settings.

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { Inbox as OlderInbox, Party as OlderParty, closeAll as closeOlder } from '../../support/clients.mjs'
import { TestServer } from '../../support/server.mjs'
import { LIVES } from '../life.mjs'
import { Party, closeAll, listen } from '../party.mjs'

let server
before(async () => { server = await TestServer.start() })
afterEach(async () => {
  closeAll()
  await closeOlder()
})
after(async () => { assert.equal(await server.stop(), 0) })

for (const life of Object.keys(LIVES)) {
  test(`event.members: an older client and a newer one (${life}) talk to each other`, async () => {
    const [older, newer] = [new OlderParty(), new Party()]
    const fromOlder = older.messageBox(server.host)
    await fromOlder.initializeConnection()
    const atOlder = new OlderInbox()
    await fromOlder.listenForLiveMessages({ messageBox: 'inbox', onMessage: atOlder.push })
    const fromNewer = newer.box(server.host, { life })
    const atNewer = await listen(fromNewer, 'inbox')
    await fromOlder.sendLiveMessage({ recipient: newer.key, messageBox: 'inbox', body: 'hello €' })
    assert.deepEqual((await atNewer.atLeast(1)).map(({ sender, body }) => [sender, body]), [[older.key, 'hello €']])
    assert.ok((await fromNewer.sendLive({ recipient: older.key, messageBox: 'inbox', body: 'hi' })).live)
    assert.deepEqual((await atOlder.atLeast(1)).map(({ sender, body }) => [sender, body]), [[newer.key, 'hi']])
    assert.deepEqual((await fromNewer.list({ messageBox: 'inbox' })).map(({ body }) => body), ['hello €'])
    const listed = await fromOlder.listMessages({ messageBox: 'inbox', host: server.host })
    assert.deepEqual(listed.map(({ body }) => body), ['hi'])
  })
}
