// The sessions of a client: their limits, their idle expiry, and the nonces that count once (section 3).

import { demand } from './refusal.mjs'

const LIMITS = {
  sessions: 10_000,
  perIdentity: 256,
  nonces: 100_000,
  initialRequests: 100_000,
  /** Milliseconds. */
  idle: 30 * 60_000
}

export class Sessions {
  constructor (limits = {}, now = Date.now) {
    this.limits = { ...LIMITS, ...limits }
    this.now = now
    this.byNonce = new Map()
    this.requests = new Set()
  }

  of (identityKey) {
    return [...this.byNonce.values()].filter(session => session.peerIdentityKey === identityKey && this.alive(session))
  }

  alive (session) {
    return this.now() - session.lastUpdate < this.limits.idle
  }

  add (session) {
    if (this.byNonce.size >= this.limits.sessions) {
      const weak = [...this.byNonce.values()].find(one => !one.isAuthenticated)
      demand(weak !== undefined, 'session.capacity')
      this.byNonce.delete(weak.sessionNonce)
    }
    demand(this.of(session.peerIdentityKey).length < this.limits.perIdentity, 'session.per-identity')
    session.nonces = new Set()
    session.lastUpdate = this.now()
    this.byNonce.set(session.sessionNonce, session)
    return session
  }

  /** The session of this nonce. Removes it if it was idle for too long. */
  get (sessionNonce) {
    const session = this.byNonce.get(sessionNonce)
    demand(session !== undefined, 'session.known', `Session not found for nonce: ${sessionNonce}`)
    if (!this.alive(session)) {
      this.byNonce.delete(sessionNonce)
      demand(false, 'session.idle', `Session not found for nonce: ${sessionNonce}`)
    }
    return session
  }

  touch (session) {
    session.lastUpdate = this.now()
  }

  /** Counts the nonce of a message that has been verified. */
  claim (session, nonce, rule = 'session.replay') {
    demand(!session.nonces.has(nonce), rule, 'Replayed general message nonce.')
    demand(session.nonces.size < this.limits.nonces, 'session.nonces', 'BRC-103 session message nonce capacity exhausted')
    session.nonces.add(nonce)
  }

  claimRequest (identityKey, initialNonce) {
    const pair = `${identityKey} ${initialNonce}`
    demand(!this.requests.has(pair) && this.requests.size < this.limits.initialRequests,
      'session.request-replay', 'Replayed initialRequest nonce.')
    this.requests.add(pair)
  }

  /** The session that a send uses: authenticated before others, then the newest. */
  best (identityKey) {
    const rank = session => [session.isAuthenticated ? 1 : 0, session.lastUpdate]
    return this.of(identityKey).filter(session => session.peerNonce !== undefined).sort((left, right) => {
      const [a, b] = [rank(left), rank(right)]
      return b[0] - a[0] || b[1] - a[1]
    })[0]
  }
}
