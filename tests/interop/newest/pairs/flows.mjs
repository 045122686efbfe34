// Rules of the flow: a mock server signs as a server must, and errs on demand.

import assert from 'node:assert/strict'

import { PrivateKey } from '@bsv/sdk'

import { AuthFetch } from '../auth-fetch.mjs'
import { MockServer } from '../mock-server.mjs'
import { NativeWallet } from '../native-wallet.mjs'
import { Refusal } from '../refusal.mjs'
import { challenge, TXID } from './payments.mjs'

export const mock = new MockServer()

/** Each rule with what must be refused and what must not. */
export const flows = []
const refuses = (...pair) => { flows.push(pair) }

const wallet = () => new NativeWallet(PrivateKey.fromRandom())
/** A request of a new client to the mock server that behaves like this. */
export const ask = async (behaviour, options, { count = 1, client = new AuthFetch(wallet(), options) } = {}) => {
  const origin = mock.reset(behaviour)
  let reply
  for (let n = 0; n < count; n++) reply = await client.fetch(`${origin}/x`, { method: 'GET' })
  return reply
}
export const steps = (...list) => ({ steps: list })

/** A wallet that pays without a transaction that anybody could check. */
export class CheapWallet extends NativeWallet {
  constructor (length = 10) {
    super(PrivateKey.fromRandom())
    this.length = length
    this.broadcast = 0
    this.aborted = 0
  }

  async createAction ({ options }) {
    if (options.sendWith !== undefined) this.broadcast++
    return { txid: TXID, tx: new Array(this.length).fill(1) }
  }

  async abortAction () {
    this.aborted++
  }
}

export const PRICED = { status: 402, body: '{"status":"error","code":"ERR_PAYMENT_REQUIRED"}', headers: Object.fromEntries(challenge().entries()) }
export const pricedBy = change => ({ ...PRICED, headers: Object.fromEntries(challenge(change).entries()) })
export const pay = (behaviour, purse = new CheapWallet(), options) => ask(behaviour, options, { client: new AuthFetch(purse, options) })

refuses('reply.time',
  () => ask({ always: { hang: true } }, { replyTime: 300 }), () => ask({}, { replyTime: 5_000 }))
refuses('reply.connection', () => ask({ always: { cut: true } }), () => ask({}))
refuses('reply.handshake-status', () => ask({ handshake: { status: 400 } }), () => ask({ handshake: { status: 201 } }))
refuses('reply.handshake-body', () => ask({ handshake: { body: 'nonsense' } }), () => ask({}))
refuses('reply.empty-body',
  () => ask({ always: { body: '', emptyAs: 0 } }).catch(error => {
    // The signature is over the length -1, so a server that signs 0 fails at the signature.
    assert.equal(error.rule, 'session.signature')
    throw new Refusal('reply.empty-body')
  }),
  () => ask({ always: { body: '', emptyAs: -1 } }))
refuses('reply.pinned',
  () => ask(steps({}, { rekey: true }, {}), {}, { count: 2 }).catch(error => {
    assert.ok(['reply.pinned', 'session.expected'].includes(error.rule), error.stack)
    throw new Refusal('reply.pinned')
  }),
  () => ask({}, {}, { count: 2 }))
refuses('recovery.attempts',
  () => ask({ always: { unsigned: 401 } }),
  async () => {
    const reply = await ask(steps({ unsigned: 401 }, { unsigned: 401 }, { unsigned: 401 }))
    assert.equal(reply.status, 200)
  })
refuses('recovery.pending',
  async () => {
    const client = new AuthFetch(wallet())
    client.pending = 1_000
    await ask({}, {}, { client })
  }, () => ask({}))
refuses('payment.outcome', () => pay(steps(PRICED, PRICED, PRICED, PRICED)), async () => {
  const reply = await pay(steps(PRICED, { unsigned: 503 }, {}))
  assert.equal(reply.status, 200)
  assert.equal(mock.seen[1].headers['x-bsv-payment'], mock.seen[2].headers['x-bsv-payment'], 'the same payment')
})
refuses('payment.size', () => pay(steps(PRICED, { unsigned: 431 })), () => pay(steps(PRICED, {})))
