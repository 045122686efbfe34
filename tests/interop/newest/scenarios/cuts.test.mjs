// The three life cycles of the client's socket when the network breaks.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { Proxy } from '../../support/proxy.mjs'
import { TestServer } from '../../support/server.mjs'
import { QUICK, disturbed } from '../disturbed.mjs'
import { Party, closeAll, listen } from '../party.mjs'

test('socket.authenticated: after a break of the network', { concurrency: true }, async t => {
  const server = await TestServer.start(QUICK)
  const proxy = await Proxy.start(server.port)
  try {
    await disturbed(t, server, proxy.host, async () => {
      proxy.break()
      await sleep(500)
      proxy.heal()
    })
  } finally {
    closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})

test('socket.authenticated: after two breaks in quick succession', { concurrency: true }, async t => {
  const server = await TestServer.start(QUICK)
  const proxy = await Proxy.start(server.port)
  try {
    await disturbed(t, server, proxy.host, async () => {
      proxy.break()
      proxy.heal()
      await sleep(400)
      proxy.break()
      proxy.heal()
    }, [0, 50])
  } finally {
    closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})

test('socket.authenticated: sends while the network is broken arrive over HTTP', async () => {
  const server = await TestServer.start(QUICK)
  const proxy = await Proxy.start(server.port)
  try {
    const bob = new Party()
    const inbox = await listen(bob.box(server.host), 'inbox')
    const alice = new Party().box(proxy.host)
    await alice.connect()
    proxy.break()
    await sleep(200)
    await assert.rejects(alice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'lost' }))
    proxy.heal()
    await alice.sendLive({ recipient: bob.key, messageBox: 'inbox', body: 'found' })
    const bodies = (await inbox.atLeast(1)).map(({ body }) => body)
    assert.equal(bodies.at(-1), 'found')
  } finally {
    closeAll()
    await proxy.stop()
    assert.equal(await server.stop(), 0)
  }
})
