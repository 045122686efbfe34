// Authenticated requests as the newest AuthFetch makes them: handshake, checks, recovery and payment (sections 4 and 5).

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

import { P2PKH, PublicKey, Utils } from '@bsv/sdk'

import { toBase64 } from './bytes.mjs'
import { checkReply, readReply, requestPayload, signedRequestHeaders } from './http-message.mjs'
import { VERSION } from './message.mjs'
import { checkSecondChallenge, chooseTransport, multipart, readChallenge } from './payment.mjs'
import { Peer, makeNonce } from './peer.mjs'
import { Refusal, demand } from './refusal.mjs'
import { Sessions } from './sessions.mjs'

const REPLY_TIME = 30_000
const MAX_HANDSHAKE = 1024 * 1024
const MAX_PENDING = 1_000
const ATTEMPTS = 3
const LOST = 'Session not found for nonce'

/** Sends a request and reads the whole reply, within the time limit. */
async function exchange (url, { method, headers, body }, time) {
  let reply
  try {
    reply = await fetch(url, {
      method, headers, body: body?.length > 0 ? body : undefined, redirect: 'error', signal: AbortSignal.timeout(time)
    })
    const bytes = Buffer.from(await reply.arrayBuffer())
    return { status: reply.status, headers: [...reply.headers.entries()], body: bytes }
  } catch (error) {
    if (error.name === 'TimeoutError') throw new Refusal('reply.time')
    throw new Refusal('reply.connection', `${error.message}: ${error.cause?.message ?? ''}`)
  }
}

/** One origin: its peer, its pinned identity. */
class Origin {
  constructor (client, origin) {
    this.client = client
    this.origin = origin
    this.handshakes = 0
    this.begin()
  }

  begin () {
    const peer = new Peer({
      wallet: this.client.wallet,
      sessions: new Sessions(this.client.sessionLimits),
      requested: this.client.requested,
      send: message => this.send(message, peer)
    })
    this.peer = peer
  }

  pin (identityKey) {
    this.identity ??= identityKey
    demand(this.identity === identityKey, 'reply.pinned',
      `Authenticated Message Box server identity changed for ${this.origin}.`)
  }

  /** Handshakes and certificates go to their own route, as JSON. */
  async send (message, peer) {
    if (message.messageType === 'initialRequest') this.handshakes++
    const { status, body } = await exchange(`${this.origin}/.well-known/auth`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(message)
    }, this.client.replyTime)
    // The client reads nothing useful from the answer to a certificateResponse.
    if (message.messageType === 'certificateResponse') return
    demand(status >= 200 && status <= 299, 'reply.handshake-status', `the handshake got ${status}: ${body.toString().slice(0, 200)}`)
    demand(body.length <= MAX_HANDSHAKE, 'reply.handshake-body')
    let answer
    try {
      answer = JSON.parse(body)
    } catch {
      throw new Refusal('reply.handshake-body')
    }
    await peer.receive(answer)
  }
}

export class AuthFetch {
  /** `released`: pays as the releases 2.8.5 to 2.8.10 do, by header alone, and broadcasts first. */
  constructor (wallet, { requested, sessionLimits, replyTime = REPLY_TIME, released = false } = {}) {
    this.released = released
    this.wallet = wallet
    this.requested = requested
    this.sessionLimits = sessionLimits
    this.replyTime = replyTime
    this.origins = new Map()
    this.pending = 0
  }

  origin (url) {
    const { origin } = new URL(url)
    if (!this.origins.has(origin)) this.origins.set(origin, new Origin(this, origin))
    return this.origins.get(origin)
  }

  async fetch (url, { method = 'GET', headers = {}, body } = {}) {
    const request = this.prepare(url, method, headers, body)
    demand(++this.pending <= MAX_PENDING, 'recovery.pending')
    try {
      const reply = await this.recovering(request)
      return reply.status === 402 ? await this.pay(request, reply) : reply
    } finally {
      this.pending--
    }
  }

  prepare (url, method, given, body) {
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
    const json = headers['content-type']?.startsWith('application/json')
    if (body === undefined && json && ['POST', 'PUT', 'PATCH', 'DELETE'].includes(method)) body = '{}'
    return { url, method, headers, body: body === undefined ? undefined : Buffer.from(body) }
  }

  async recovering (request) {
    const origin = this.origin(request.url)
    for (let left = ATTEMPTS; ; left--) {
      const used = origin.peer
      const reply = await this.once(origin, request).catch(error => {
        if (!error.message.includes(LOST)) throw error
        return 'unauthorised'
      })
      if (reply !== 'unauthorised') return reply
      demand(left > 0, 'recovery.attempts', `the request got 401 after ${ATTEMPTS} new handshakes`)
      // Another request may have dropped this peer already.
      if (origin.peer === used) origin.begin()
    }
  }

  /** Gives the reply, or `unauthorised` for an unsigned 401. */
  async once (origin, request) {
    const requestId = randomBytes(32)
    const payload = requestPayload(requestId, request)
    const { peer } = origin
    const session = await peer.session(origin.identity)
    origin.pin(session.peerIdentityKey)
    const message = await peer.compose(payload, session)
    const headers = {
      ...Object.fromEntries(signedRequestHeaders(request.headers)),
      'x-bsv-auth-version': VERSION,
      'x-bsv-auth-identity-key': message.identityKey,
      'x-bsv-auth-nonce': message.nonce,
      'x-bsv-auth-your-nonce': message.yourNonce,
      'x-bsv-auth-signature': Buffer.from(message.signature).toString('hex'),
      'x-bsv-auth-request-id': toBase64(requestId)
    }
    if (request.headers['content-type'] !== undefined) headers['content-type'] = request.headers['content-type']
    const raw = await exchange(request.url, { ...request, headers }, this.replyTime)
    const signed = checkReply(raw, requestId)
    if (signed === null) {
      if (raw.status === 401) return 'unauthorised'
      demand(!request.paid || (raw.status !== 413 && raw.status !== 431), 'payment.size',
        `a paid request got ${raw.status}`, 'ERR_PAYMENT_SIZE')
      throw new Refusal('reply.unsigned', `Received HTTP ${raw.status} without authentication: ${raw.body.toString().slice(0, 200)}`)
    }
    origin.pin(signed.identityKey)
    await peer.receive(signed)
    const { status, headers: pairs, body } = readReply(signed.payload)
    return new Reply(status, pairs, body, origin.identity)
  }

  // Payment

  async pay (request, unpaid) {
    const challenge = readChallenge(unpaid.headers)
    const derivationSuffix = await makeNonce(this.wallet)
    const { publicKey } = await this.wallet.getPublicKey({
      protocolID: [2, '3241645161d8'],
      keyID: `${challenge.derivationPrefix} ${derivationSuffix}`,
      counterparty: unpaid.identity
    })
    const lockingScript = new P2PKH().lock(PublicKey.fromString(publicKey).toAddress()).toHex()
    const { txid, tx } = await this.wallet.createAction({
      description: `Payment for request to ${new URL(request.url).origin}`,
      outputs: [{ satoshis: challenge.satoshis, lockingScript, outputDescription: 'HTTP request payment' }],
      options: { randomizeOutputs: false, noSend: !this.released, knownTxids: challenge.known }
    })
    const payment = { derivationPrefix: challenge.derivationPrefix, derivationSuffix, transaction: Utils.toBase64(tx) }
    let paid
    try {
      paid = this.attach(payment, request, challenge)
      requestPayload(randomBytes(32), paid)
    } catch (error) {
      await this.wallet.abortAction({ reference: txid })
      throw error
    }
    if (!this.released) await this.wallet.createAction({ description: 'Broadcast of a payment', options: { sendWith: [txid] } })
    return await this.send(paid, challenge)
  }

  attach (payment, request, challenge) {
    const transport = this.released ? 'header' : chooseTransport(challenge.transports, payment, request)
    this.lastTransport = transport
    const paid = { ...request, paid: true }
    if (transport === 'multipart') return { ...paid, ...multipart(payment, request) }
    return { ...paid, headers: { ...request.headers, 'x-bsv-payment': JSON.stringify(payment) } }
  }

  /** The same payment is sent up to three times. */
  async send (paid, challenge) {
    let last
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      let reply
      try {
        reply = await this.recovering(paid)
      } catch (error) {
        if (error.rule === 'payment.size') throw error
        last = error
        await sleep(250 * attempt)
        continue
      }
      demand(reply.status !== 413 && reply.status !== 431, 'payment.size', undefined, 'ERR_PAYMENT_SIZE')
      if (reply.status !== 402) return reply
      checkSecondChallenge(challenge, reply.headers)
      last = new Refusal('payment.changed', 'a paid request got 402 again')
      await sleep(250 * attempt)
    }
    throw new Refusal('payment.outcome', `the outcome of a payment is unknown: ${last?.message}`, 'ERR_PAYMENT_OUTCOME_UNKNOWN')
  }
}

/** A verified reply. */
export class Reply {
  constructor (status, headers, body, identity) {
    this.status = status
    this.headers = new Headers(headers)
    this.body = body
    this.identity = identity
  }

  json () {
    return JSON.parse(this.body.toString('utf8'))
  }
}
