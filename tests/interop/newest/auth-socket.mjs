// The AuthSocket client of the newest generation: signed events, at most 32 unverified frames, a disconnect at the first bad one.

import { io } from 'socket.io-client'

import { readEvent, writeEvent } from './event.mjs'
import { Peer } from './peer.mjs'
import { demand } from './refusal.mjs'
import { Sessions } from './sessions.mjs'

const MAX_FRAMES = 32

export function checkSocketUrl (url) {
  const { protocol, hostname } = new URL(url)
  const secure = protocol === 'https:' || protocol === 'wss:'
  demand(secure || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname) || hostname.startsWith('127.'), 'socket.url')
}

/** Verifies frames side by side, through a wallet that may be slow. */
export class FrameGate {
  constructor (verify, limit = MAX_FRAMES) {
    this.verify = verify
    this.limit = limit
    this.waiting = 0
    /** The largest number of unverified frames so far. */
    this.peak = 0
    this.count = 0
  }

  async take (frame) {
    demand(this.waiting < this.limit, 'socket.frames', 'Authentication message concurrency limit exceeded')
    this.waiting++
    this.count++
    this.peak = Math.max(this.peak, this.waiting)
    try {
      await this.verify(frame)
    } finally {
      this.waiting--
    }
  }
}

export class AuthSocket {
  /** `transport`: something with `on`, `emit`, `disconnect` and `connected`, by default Socket.IO. */
  constructor (url, { wallet, sessionLimits, requested, identity, ownKey, options = {}, transport } = {}) {
    checkSocketUrl(url)
    this.identity = identity
    this.handlers = new Map()
    this.io = transport ?? io(url, { forceNew: true, ...options })
    this.peer = new Peer({
      wallet,
      ownKey,
      requested,
      sessions: new Sessions(sessionLimits),
      send: message => this.io.emit('authMessage', message)
    })
    this.gate = new FrameGate(frame => this.peer.receive(frame))
    /** The reason for which the client cut the connection. */
    this.refusal = undefined
    this.peer.onGeneral((identity, payload) => this.take(identity, payload))
    this.io.on('authMessage', frame => this.gate.take(frame).catch(error => this.cut(error)))
    for (const name of ['connect', 'disconnect', 'connect_error']) {
      this.io.on(name, (...args) => this.fire(name, ...args))
    }
  }

  get connected () {
    return this.io.connected
  }

  take (identity, payload) {
    this.identity ??= identity
    demand(this.identity === identity, 'socket.identity')
    const { eventName, data } = readEvent(payload)
    this.fire(eventName, data)
  }

  /** A frame that breaks a rule ends the connection for good. */
  cut (error) {
    this.refusal ??= error
    this.io.disconnect()
    this.fire('refusal', error)
  }

  fire (name, ...args) {
    for (const handler of this.handlers.get(name) ?? []) handler(...args)
  }

  on (name, handler) {
    if (!this.handlers.has(name)) this.handlers.set(name, new Set())
    this.handlers.get(name).add(handler)
    return this
  }

  off (name, handler) {
    this.handlers.get(name)?.delete(handler)
  }

  /** Signs an event in the session with the server; makes one where there is none. */
  async emit (name, data) {
    try {
      await this.peer.toPeer(writeEvent(name, data), this.identity)
    } catch (error) {
      if (error.rule?.startsWith('event.')) throw error
      this.fire('refusal', error)
      throw error
    }
  }

  connect () {
    this.io.connect()
  }

  disconnect () {
    this.io.disconnect()
  }
}
