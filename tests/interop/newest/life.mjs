// The life of the message box client's socket: three generations (section 7.5).

import { setTimeout as sleep } from 'node:timers/promises'

import { AuthSocket } from './auth-socket.mjs'
import { Refusal } from './refusal.mjs'

const AUTHENTICATION_TIME = 5_000

/** The common part of all three. */
class Life {
  constructor ({ url, identityKey, socket }) {
    this.url = url
    this.identityKey = identityKey
    this.socketOptions = socket
    this.rooms = new Set()
    this.listeners = []
    this.sockets = []
    this.socket = undefined
    this.authenticated = false
  }

  build () {
    const socket = new AuthSocket(this.url, this.socketOptions)
    this.sockets.push(socket)
    socket.on('connect', () => this.onConnect(socket))
    socket.on('disconnect', reason => this.onDisconnect(socket, reason))
    socket.on('authenticationSuccess', () => this.onAuthenticated(socket))
    for (const [name, listener] of this.listeners) socket.on(name, listener)
    return socket
  }

  say (socket, name, data) {
    // A connection that ends in the meantime is handled at its end.
    socket.emit(name, data).catch(() => {})
  }

  async open () {
    if (this.socket !== undefined && this.authenticated) return
    if (this.socket === undefined) this.socket = this.build()
    const deadline = Date.now() + AUTHENTICATION_TIME
    while (!this.authenticated) {
      const refusal = this.socket?.refusal
      if (refusal !== undefined) throw refusal
      if (Date.now() > deadline) throw new Refusal('socket.authenticated', 'WebSocket authentication timed out!')
      await sleep(10)
    }
  }

  /** Refusals of every socket that this client ever had. */
  get refusals () {
    return this.sockets.map(({ refusal }) => refusal).filter(refusal => refusal !== undefined)
  }

  async join (room) {
    await this.open()
    if (this.rooms.has(room)) return
    this.rooms.add(room)
    await this.socket.emit('joinRoom', room)
  }

  async leave (room) {
    await this.open()
    this.rooms.delete(room)
    await this.socket.emit('leaveRoom', room)
  }

  close () {
    for (const socket of this.sockets) socket.disconnect()
    this.socket = undefined
    this.authenticated = false
  }
}

/** Up to 2.5.5: forgets the socket, which reconnects by itself and stays silent. */
export class Forgetting extends Life {
  onConnect (socket) {
    if (socket === this.socket) this.say(socket, 'authenticated', { identityKey: this.identityKey })
  }

  onDisconnect (socket) {
    if (socket !== this.socket) return
    this.socket = undefined
    this.authenticated = false
  }

  onAuthenticated (socket) {
    // The handler finds no object and throws: the connection ends.
    if (socket !== this.socket) return socket.disconnect()
    this.authenticated = true
  }

  listen (name, listener) {
    this.socket.on(name, listener)
  }
}

/** The versions between: dispose of the socket and clear the rooms. The next call builds a new one. */
export class Disposing extends Life {
  onConnect (socket) {
    this.say(socket, 'authenticated', { identityKey: this.identityKey })
  }

  onDisconnect (socket) {
    if (socket !== this.socket) return
    socket.disconnect()
    this.socket = undefined
    this.authenticated = false
    this.rooms.clear()
  }

  onAuthenticated () {
    this.authenticated = true
  }

  listen (name, listener) {
    this.socket.on(name, listener)
  }
}

/** The newest: keeps the socket, and joins again when it is authenticated again. */
export class Keeping extends Life {
  rebuilt = false
  wanted = new Set()

  onConnect (socket) {
    this.say(socket, 'authenticated', { identityKey: this.identityKey })
  }

  onDisconnect (socket, reason) {
    if (socket !== this.socket) return
    this.authenticated = false
    this.rooms.clear()
    if (reason === 'io server disconnect' && !this.rebuilt) {
      this.rebuilt = true
      socket.disconnect()
      this.socket = this.build()
    }
  }

  onAuthenticated (socket) {
    if (socket !== this.socket) return
    this.authenticated = true
    for (const room of this.wanted) {
      if (this.rooms.has(room)) continue
      this.rooms.add(room)
      this.say(socket, 'joinRoom', room)
    }
  }

  async join (room) {
    this.wanted.add(room)
    await super.join(room)
  }

  async leave (room) {
    this.wanted.delete(room)
    await super.leave(room)
  }

  listen (name, listener) {
    this.listeners.push([name, listener])
    this.socket.on(name, listener)
  }
}

export const LIVES = { forgetting: Forgetting, disposing: Disposing, keeping: Keeping }
