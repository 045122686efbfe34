// Parties with the clients of the newest generation, and inboxes that name the rule that a client refused by.

import { PrivateKey } from '@bsv/sdk'

import { AuthFetch } from './auth-fetch.mjs'
import { AuthSocket } from './auth-socket.mjs'
import { MessageBox } from './message-box.mjs'
import { NativeWallet } from './native-wallet.mjs'
import { Refusal } from './refusal.mjs'
import { SlowWallet } from './wallet.mjs'

/** Milliseconds of a wallet call: in the same process, behind HTTP, on a telephone. */
export const DELAYS = [0, 50, 500]

const opened = new Set()

export class Party {
  /** `wallet(key)`: another wallet. */
  constructor ({ delay = 0, wallet = key => new NativeWallet(key) } = {}) {
    this.privateKey = PrivateKey.fromRandom()
    this.purse = wallet(this.privateKey)
    this.wallet = new SlowWallet(this.purse, delay)
    this.key = this.privateKey.toPublicKey().toString()
  }

  box (host, options = {}) {
    const box = new MessageBox({ host, wallet: this.wallet, ...options })
    opened.add(() => box.close())
    return box
  }

  socket (host, { options, ...rest } = {}) {
    const socket = new AuthSocket(host, { wallet: this.wallet, ownKey: this.key, options, ...rest })
    opened.add(() => socket.disconnect())
    return socket
  }

  /** A socket that is authenticated. */
  async member (host, options) {
    const socket = this.socket(host, options)
    const done = next(socket, 'authenticationSuccess')
    socket.on('connect', () => { socket.emit('authenticated', { identityKey: this.key }).catch(() => {}) })
    await done
    return socket
  }

  fetch (options) {
    return new AuthFetch(this.wallet, options)
  }

  room (box) {
    return `${this.key}-${box}`
  }
}

export function closeAll () {
  for (const close of opened) close()
  opened.clear()
}

/** Received items, in order. `source` has `refusals` or a `refusal`, which ends the waiting and names its rule. */
export class Inbox {
  constructor (source) {
    this.items = []
    this.source = source
    this.waiting = new Set()
  }

  push = item => {
    this.items.push(item)
    for (const check of this.waiting) check()
  }

  refusal () {
    const { life, refusals, refusal } = this.source ?? {}
    return refusal ?? refusals?.[0] ?? life?.refusals[0]
  }

  async atLeast (count, what = 'messages', milliseconds = 30_000) {
    return await new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer)
        clearInterval(watch)
        this.waiting.delete(check)
        settle(value)
      }
      const check = () => {
        if (this.items.length >= count) return finish(resolve, this.items)
        const refusal = this.refusal()
        if (refusal !== undefined) finish(reject, refusal)
      }
      const came = () => JSON.stringify(this.items).slice(0, 500)
      const timer = setTimeout(
        () => finish(reject, new Refusal('scenario', `${what}: ${this.items.length} of ${count} came: ${came()}`)), milliseconds)
      const watch = setInterval(check, 50)
      this.waiting.add(check)
      check()
    })
  }
}

/** The next event of this name; a refusal of the socket ends the waiting. */
export async function next (socket, event, milliseconds = 20_000) {
  const inbox = new Inbox(socket)
  socket.on(event, inbox.push)
  try {
    return (await inbox.atLeast(1, event, milliseconds))[0]
  } finally {
    socket.off(event, inbox.push)
  }
}

/** Listens live in a box. */
export async function listen (box, messageBox) {
  const inbox = new Inbox(box)
  await box.listen(messageBox, inbox.push)
  return inbox
}

/** Two parties, each with a connected box. */
export async function pair (host, { delay = 0, life } = {}) {
  const [alice, bob] = [new Party({ delay }), new Party({ delay })]
  const [fromAlice, fromBob] = [alice.box(host, { life }), bob.box(host, { life })]
  await Promise.all([fromAlice.connect(), fromBob.connect()])
  return { alice, bob, fromAlice, fromBob }
}

/** Runs one flow for each wallet in parallel: the slow ones sleep most of the time. */
export function forEachWallet (describe, test, name, flow) {
  describe(name, { concurrency: true }, () => {
    for (const delay of DELAYS) test(`${name} (${delay} ms a wallet call)`, t => flow(delay, t))
  })
}

/** The code of a refusal of the server. */
export async function codeOf (promise) {
  try {
    await promise
  } catch (error) {
    if (error instanceof Refusal) throw error
    return error.code
  }
  throw new Refusal('scenario', 'the server accepted what it must refuse')
}
