// Rules of state: two peers that talk to each other without a network.

import assert from 'node:assert/strict'

import { PrivateKey } from '@bsv/sdk'

import { AuthSocket, FrameGate } from '../auth-socket.mjs'
import { writeEvent } from '../event.mjs'
import { NativeWallet } from '../native-wallet.mjs'
import { Peer, makeNonce } from '../peer.mjs'
import { Sessions } from '../sessions.mjs'
import { ALICE, BOB, b64, many } from './made.mjs'

/** Each rule with what must be refused and what must not. */
export const sessions = []
const refuses = (...pair) => { sessions.push(pair) }

/** A client and a server; `wire` sees, and may change, each message before it arrives. */
export function couple (options = {}, wire = message => message) {
  const party = () => new NativeWallet(PrivateKey.fromRandom())
  const server = new Peer({ wallet: party(), send: async message => await client.receive(await wire(message, 'client')) })
  const client = new Peer({ wallet: party(), send: async message => await server.receive(await wire(message, 'server')), ...options })
  return { client, server }
}

/** A general message from the server, after a handshake of the client. */
async function answered (options) {
  const peers = couple(options)
  const { client, server } = peers
  const session = await client.handshake()
  const [own] = server.sessions.of(await client.identity())
  const next = async (payload = [1], change = {}) => ({ ...await server.compose(payload, own), ...change })
  return { ...peers, session, own, next }
}

const tampered = change => couple({}, (message, to) => to === 'client' ? change(message) : message)
const handshake = ({ client }) => client.handshake()
const plain = () => handshake(couple())

refuses('session.own-nonce',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { yourNonce: b64(48) }))
  },
  async () => {
    const { client, next } = await answered()
    await client.receive(await next())
  })
refuses('session.known',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { yourNonce: await makeNonce(client.wallet) }))
  }, plain)
refuses('session.identity',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { identityKey: BOB }))
  }, plain)
refuses('session.signature',
  async () => {
    const { client, next } = await answered()
    await client.receive(await next([1], { payload: [2] }))
  }, plain)
refuses('session.replay',
  async () => {
    const { client, next } = await answered()
    const message = await next()
    await client.receive(message)
    await client.receive(message)
  },
  async () => {
    const { client, next } = await answered()
    await client.receive(await next())
    await client.receive(await next())
  })
refuses('session.request-replay',
  async () => {
    const { client } = couple()
    const { server } = couple()
    const request = {
      version: '0.1', messageType: 'initialRequest', identityKey: await server.identity(), initialNonce: b64(48)
    }
    client.send = () => {}
    await client.receive(request)
    await client.receive(request)
  }, plain)
refuses('session.response-replay',
  async () => {
    let kept
    const { client } = tampered(message => { kept = message; return message })
    await client.handshake()
    await client.receive(kept)
  }, plain)
refuses('session.expected',
  async () => { await couple().client.handshake(BOB) },
  async () => {
    const { client, server } = couple()
    await client.handshake(await server.identity())
  })
refuses('session.response-time',
  async () => { await new Peer({ wallet: couple().client.wallet, send: () => {}, responseTime: 20 }).handshake() }, plain)
refuses('session.idle',
  async () => {
    let now = 0
    const { client, next } = await answered({ sessions: new Sessions({}, () => now) })
    const late = await next()
    now = 30 * 60_000
    await client.receive(late)
  },
  async () => {
    let now = 0
    const { client, next } = await answered({ sessions: new Sessions({}, () => now) })
    for (let n = 0; n < 3; n++) {
      now += 29 * 60_000
      await client.receive(await next())
    }
  })
refuses('session.nonces',
  async () => {
    const { client, next } = await answered({ sessions: new Sessions({ nonces: 3 }) })
    for (let n = 0; n < 3; n++) await client.receive(await next())
  },
  async () => {
    const { client, next } = await answered({ sessions: new Sessions({ nonces: 4 }) })
    for (let n = 0; n < 3; n++) await client.receive(await next())
  })
const filled = (count, limits, isAuthenticated, peerIdentityKey) => {
  const sessions = new Sessions(limits)
  for (let n = 0; n < count; n++) sessions.add({ sessionNonce: `${n}`, peerIdentityKey, isAuthenticated })
}
refuses('session.capacity', async () => filled(4, { sessions: 3 }, true, ALICE), async () => filled(4, { sessions: 3 }, false, ALICE))
refuses('session.per-identity', async () => filled(257, {}, true, ALICE), async () => filled(256, {}, true, ALICE))
refuses('session.certificates',
  async () => {
    const { client } = couple({ requested: { certifiers: [ALICE], types: {} } })
    await client.toPeer([1])
  },
  async () => { await couple().client.toPeer([1]) })
refuses('socket.frames',
  async () => {
    const gate = new FrameGate(() => new Promise(() => {}))
    await Promise.all(many(33, () => gate.take({})))
  },
  async () => {
    const gate = new FrameGate(() => new Promise(resolve => setTimeout(resolve, 5)))
    await Promise.all(many(32, () => gate.take({})))
    assert.equal(gate.peak, 32)
  })

/** A Socket.IO connection without a network. */
export class Wire {
  handlers = new Map()
  connected = true

  on (name, handler) {
    this.handlers.set(name, handler)
  }

  emit () {}

  disconnect () {
    this.connected = false
  }
}

const openSocket = () => new AuthSocket('http://127.0.0.1', { wallet: couple().client.wallet, transport: new Wire() })
refuses('socket.identity',
  async () => {
    const socket = openSocket()
    for (const identity of [ALICE, BOB]) socket.take(identity, writeEvent('x'))
  },
  async () => {
    const socket = openSocket()
    for (const identity of [ALICE, ALICE]) socket.take(identity, writeEvent('x'))
  })
