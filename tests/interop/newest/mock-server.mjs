// A server that answers correctly, and makes mistakes on demand.

import { once } from 'node:events'
import http from 'node:http'

import { PrivateKey } from '@bsv/sdk'

import { Writer, fromBase64 } from './bytes.mjs'
import { NativeWallet } from './native-wallet.mjs'
import { Peer } from './peer.mjs'

/** A server that knows handshakes and one signed reply; `change` spoils what it sends. */
export class MockServer {
  async start () {
    this.listener = http.createServer((request, response) => { this.take(request, response) })
    this.listener.listen(0, '127.0.0.1')
    await once(this.listener, 'listening')
  }

  /** Resets the server. `behaviour` sets its handling of handshakes and of the first, second and further requests. */
  reset (behaviour = {}) {
    this.behaviour = behaviour
    this.wallet = new NativeWallet(PrivateKey.fromRandom())
    this.seen = []
    this.peer = this.newPeer()
    return `http://127.0.0.1:${this.listener.address().port}`
  }

  newPeer () {
    return new Peer({ wallet: this.wallet, send: message => { this.outgoing = message } })
  }

  async take (request, response) {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    if (request.url === '/.well-known/auth') return await this.shake(body, response)
    this.seen.push({ headers: request.headers, body })
    const step = this.behaviour.steps?.[this.seen.length - 1] ?? this.behaviour.always ?? {}
    if (step.hang) return
    if (step.cut) return request.socket.destroy()
    if (step.unsigned !== undefined) {
      response.writeHead(step.unsigned, { 'content-type': 'application/json' }).end('{"status":"error"}')
      return
    }
    if (step.rekey) {
      this.wallet = new NativeWallet(PrivateKey.fromRandom())
      this.peer = this.newPeer()
      response.writeHead(401).end()
      return
    }
    await this.reply(request, response, { status: 200, body: '{"status":"success"}', headers: {}, ...step })
  }

  async shake (body, response) {
    const { handshake = {} } = this.behaviour
    await this.peer.receive(JSON.parse(body))
    const text = handshake.body ?? JSON.stringify(this.outgoing)
    response.writeHead(handshake.status ?? 200, { 'content-type': 'application/json' }).end(text)
  }

  async reply (request, response, { status, body, headers, emptyAs }) {
    const id = fromBase64(request.headers['x-bsv-auth-request-id'])
    const session = this.peer.sessions.best(request.headers['x-bsv-auth-identity-key']) ??
      [...this.peer.sessions.byNonce.values()].at(-1)
    const pairs = Object.entries(headers).sort(([left], [right]) => left < right ? -1 : 1)
    const writer = new Writer().raw(id).number(status).pairs(pairs)
    if (body === '') writer.number(emptyAs ?? -1)
    else writer.sized(body)
    const message = await this.peer.compose(writer.done(), session)
    response.writeHead(status, {
      ...headers,
      'x-bsv-auth-version': '0.1',
      'x-bsv-auth-identity-key': message.identityKey,
      'x-bsv-auth-nonce': message.nonce,
      'x-bsv-auth-your-nonce': message.yourNonce,
      'x-bsv-auth-signature': Buffer.from(message.signature).toString('hex'),
      'x-bsv-auth-request-id': request.headers['x-bsv-auth-request-id']
    }).end(body)
  }

  stop () {
    this.listener.closeAllConnections()
    this.listener.close()
  }
}
