// The published clients, unmodified, with keys of their own.

import { AuthFetch, PrivateKey, ProtoWallet } from '@bsv/sdk'
import { AuthSocketClient } from '@bsv/authsocket-client'
import { MessageBoxClient } from '@bsv/message-box-client'

const opened = new Set()

/** A party: a key, a wallet, and the clients that it opens. */
export class Party {
  constructor () {
    this.privateKey = PrivateKey.fromRandom()
    this.wallet = new ProtoWallet(this.privateKey)
    this.key = this.privateKey.toPublicKey().toString()
  }

  /** `local` keeps the client from looking hosts up on the network. */
  messageBox (host) {
    const client = new MessageBoxClient({ host, walletClient: this.wallet, networkPreset: 'local' })
    opened.add(() => client.disconnectWebSocket())
    return client
  }

  socket (host, managerOptions = {}) {
    const socket = AuthSocketClient(host, { wallet: this.wallet, managerOptions: { forceNew: true, ...managerOptions } })
    opened.add(() => socket.disconnect())
    return socket
  }

  fetch () {
    return new AuthFetch(this.wallet)
  }

  room (box) {
    return `${this.key}-${box}`
  }
}

export async function closeAll () {
  for (const close of opened) await close()
  opened.clear()
}

/** Received items, in order, with a way to wait for a number of them. */
export class Inbox {
  constructor () {
    this.items = []
    this.waiting = []
  }

  push = item => {
    this.items.push(item)
    this.waiting = this.waiting.filter(check => !check())
  }

  async atLeast (count, what = 'messages', milliseconds = 20_000) {
    if (this.items.length >= count) return this.items
    await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${what}: ${this.items.length} of ${count} came: ${JSON.stringify(this.items)}`)),
        milliseconds
      )
      this.waiting.push(() => {
        if (this.items.length < count) return false
        clearTimeout(timer)
        resolve()
        return true
      })
    })
    return this.items
  }
}

/** The next event of this name. */
export async function next (socket, event, milliseconds = 20_000) {
  const inbox = new Inbox()
  socket.on(event, inbox.push)
  return (await inbox.atLeast(1, event, milliseconds))[0]
}
