// A BRC-103 peer as the newest clients have it: one identity, its sessions, and the rules of section 3.

import { randomBytes } from 'node:crypto'

import { fromBase64, toBase64 } from './bytes.mjs'
import { VERSION, checkMessage } from './message.mjs'
import { Refusal, demand } from './refusal.mjs'
import { Sessions } from './sessions.mjs'

const PROTOCOL = [2, 'auth message signature']
/** No other party verifies these HMACs, so one key is enough for all. */
const HMAC = { protocolID: [2, 'server hmac'], keyID: 'session nonces', counterparty: 'self' }
const RESPONSE_TIME = 30_000
const utf8 = value => [...Buffer.from(JSON.stringify(value), 'utf8')]

export async function makeNonce (wallet) {
  const random = randomBytes(16)
  const { hmac } = await wallet.createHmac({ ...HMAC, data: [...random] })
  return toBase64([...random, ...hmac])
}

/** One wallet call. The SDK's wallet throws where the HMAC is wrong. */
async function isOwnNonce (wallet, nonce) {
  const bytes = fromBase64(nonce)
  const random = bytes.subarray(0, 16)
  try {
    const { valid } = await wallet.verifyHmac({ ...HMAC, data: [...random], hmac: [...bytes.subarray(16)] })
    return valid
  } catch {
    return false
  }
}

export class Peer {
  /** `send(message)` puts a message on the wire. `requested`: the certificates that the other side must show. */
  constructor ({ wallet, send, sessions = new Sessions(), requested = { certifiers: [], types: {} }, responseTime = RESPONSE_TIME, ownKey }) {
    this.ownKey = ownKey
    this.wallet = wallet
    this.send = send
    this.sessions = sessions
    this.requested = requested
    this.responseTime = responseTime
    this.waiting = new Map()
    this.listeners = []
    this.certificateListeners = []
    this.target = undefined
    /** The number of certificateResponses that came and verified. */
    this.certificateResponses = 0
  }

  async identity () {
    this.ownKey ??= (await this.wallet.getPublicKey({ identityKey: true })).publicKey
    return this.ownKey
  }

  onGeneral (listener) {
    this.listeners.push(listener)
  }

  // Sending

  async sign (data, keyID, counterparty) {
    const { signature } = await this.wallet.createSignature({ data, protocolID: PROTOCOL, keyID, counterparty })
    return signature
  }

  async verify (data, signature, keyID, counterparty, text) {
    let valid = false
    try {
      valid = (await this.wallet.verifySignature({ data, signature, protocolID: PROTOCOL, keyID, counterparty })).valid
    } catch {
      valid = false
    }
    demand(valid, 'session.signature', text)
  }

  /** The session for a send; makes one by a handshake where there is none. `expected` pins the other side. */
  async session (expected) {
    const target = expected ?? this.target
    const session = target === undefined ? undefined : this.sessions.best(target)
    // A session that the other side began is authenticated only after a signed message in it.
    if (session?.isAuthenticated) return session
    this.opening ??= this.handshake(expected).finally(() => { this.opening = undefined })
    return await this.opening
  }

  async handshake (expected) {
    const sessionNonce = await makeNonce(this.wallet)
    const session = this.sessions.add({ sessionNonce, peerIdentityKey: expected, isAuthenticated: false })
    const answered = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(sessionNonce)
        reject(new Refusal('session.response-time', 'Timeout waiting for the BRC-103 initial response.'))
      }, this.responseTime)
      this.waiting.set(sessionNonce, { resolve, reject, timer, expected })
    })
    answered.catch(() => {})
    const request = {
      version: VERSION,
      messageType: 'initialRequest',
      identityKey: await this.identity(),
      initialNonce: sessionNonce,
      requestedCertificates: this.requested
    }
    try {
      await this.send(request)
      await answered
    } catch (error) {
      this.sessions.byNonce.delete(sessionNonce)
      clearTimeout(this.waiting.get(sessionNonce)?.timer)
      this.waiting.delete(sessionNonce)
      throw error
    }
    this.target = session.peerIdentityKey
    return session
  }

  async compose (payload, session) {
    demand(session.certificatesRequired !== true || session.certificatesValidated === true, 'session.certificates',
      'Cannot send general message before certificate validation is complete')
    const nonce = toBase64(randomBytes(32))
    const message = {
      version: VERSION,
      messageType: 'general',
      identityKey: await this.identity(),
      nonce,
      yourNonce: session.peerNonce,
      payload: [...payload]
    }
    message.signature = await this.sign(message.payload, `${nonce} ${session.peerNonce}`, session.peerIdentityKey)
    this.sessions.touch(session)
    return message
  }

  async toPeer (payload, expected) {
    const session = await this.session(expected)
    await this.send(await this.compose(payload, session))
    return session
  }

  async requestCertificates (requested, expected) {
    const session = await this.session(expected)
    const nonce = toBase64(randomBytes(32))
    await this.send({
      version: VERSION,
      messageType: 'certificateRequest',
      identityKey: await this.identity(),
      nonce,
      initialNonce: session.sessionNonce,
      yourNonce: session.peerNonce,
      requestedCertificates: requested,
      signature: await this.sign(utf8(requested), `${nonce} ${session.peerNonce}`, session.peerIdentityKey)
    })
  }

  // Receiving

  /** Handles one message. Throws a refusal if it breaks a rule. */
  async receive (message) {
    checkMessage(message)
    const { messageType } = message
    return await this[`take${messageType[0].toUpperCase()}${messageType.slice(1)}`](message)
  }

  async takeInitialRequest (message) {
    this.sessions.claimRequest(message.identityKey, message.initialNonce)
    const session = this.sessions.add({
      sessionNonce: await makeNonce(this.wallet),
      peerNonce: message.initialNonce,
      peerIdentityKey: message.identityKey,
      isAuthenticated: false
    })
    const data = [...fromBase64(message.initialNonce), ...fromBase64(session.sessionNonce)]
    const answer = {
      version: VERSION,
      messageType: 'initialResponse',
      identityKey: await this.identity(),
      initialNonce: session.sessionNonce,
      yourNonce: message.initialNonce
    }
    const certificates = await this.certificatesFor(message)
    if (certificates.length > 0) answer.certificates = certificates
    answer.requestedCertificates = this.requested
    answer.signature = await this.sign(data, `${message.initialNonce} ${session.sessionNonce}`, message.identityKey)
    await this.send(answer)
  }

  async takeInitialResponse (message) {
    const session = await this.ownSession(message)
    const waiter = this.waiting.get(session.sessionNonce)
    try {
      const expected = waiter?.expected
      demand(expected === undefined || expected === message.identityKey, 'session.expected',
        'initialResponse identity does not match the requested peer identity.')
      const data = [...fromBase64(message.yourNonce), ...fromBase64(message.initialNonce)]
      await this.verify(data, message.signature, `${message.yourNonce} ${message.initialNonce}`, message.identityKey,
        `Unable to verify initial response signature for peer: ${message.identityKey}`)
      this.sessions.claim(session, `initial ${message.initialNonce}`, 'session.response-replay')
      session.peerNonce = message.initialNonce
      session.peerIdentityKey = message.identityKey
      session.isAuthenticated = true
      session.certificatesRequired = this.requested.certifiers.length > 0
      this.sessions.touch(session)
    } catch (error) {
      waiter?.reject(error)
      throw error
    }
    clearTimeout(waiter?.timer)
    this.waiting.delete(session.sessionNonce)
    waiter?.resolve()
    const certificates = await this.certificatesFor(message)
    if (certificates.length > 0) await this.sendCertificates(certificates, session)
  }

  /** The checks of every signed message of a session. */
  async signed (message, data) {
    const session = await this.ownSession(message)
    demand(session.peerIdentityKey === message.identityKey, 'session.identity',
      `${message.messageType} identity does not match the authenticated session.`)
    await this.verify(data, message.signature, `${message.nonce} ${message.yourNonce}`, session.peerIdentityKey,
      `Invalid signature in ${message.messageType} message from ${session.peerIdentityKey}`)
    this.sessions.claim(session, message.nonce)
    session.isAuthenticated = true
    this.sessions.touch(session)
    return session
  }

  async ownSession (message) {
    demand(await isOwnNonce(this.wallet, message.yourNonce), 'session.own-nonce', 'Unable to verify nonce')
    return this.sessions.get(message.yourNonce)
  }

  async takeGeneral (message) {
    const session = await this.signed(message, message.payload)
    for (const listener of this.listeners) listener(session.peerIdentityKey, message.payload, session)
  }

  async takeCertificateRequest (message) {
    const session = await this.signed(message, utf8(message.requestedCertificates))
    await this.sendCertificates(await this.certificatesFor(message), session)
  }

  async takeCertificateResponse (message) {
    await this.signed(message, utf8(message.certificates))
    this.certificateResponses++
    for (const listener of this.certificateListeners) listener(message.certificates)
  }

  // Certificates of the client's own

  async certificatesFor ({ requestedCertificates, identityKey }) {
    const { certifiers = [], types = {} } = requestedCertificates ?? {}
    if (certifiers.length === 0 || this.wallet.listCertificates === undefined) return []
    const { certificates } = await this.wallet.listCertificates({ certifiers, types: Object.keys(types) })
    return await Promise.all(certificates.map(async certificate => {
      const fieldsToReveal = types[certificate.type] ?? []
      const { keyringForVerifier } = await this.wallet.proveCertificate({ certificate, fieldsToReveal, verifier: identityKey })
      const { type, serialNumber, subject, certifier, revocationOutpoint, fields, signature } = certificate
      return { type, serialNumber, subject, certifier, revocationOutpoint, fields, signature, keyring: keyringForVerifier }
    }))
  }

  async sendCertificates (certificates, session) {
    const nonce = toBase64(randomBytes(32))
    await this.send({
      version: VERSION,
      messageType: 'certificateResponse',
      identityKey: await this.identity(),
      nonce,
      initialNonce: session.sessionNonce,
      yourNonce: session.peerNonce,
      certificates,
      signature: await this.sign(utf8(certificates), `${nonce} ${session.peerNonce}`, session.peerIdentityKey)
    })
  }
}
