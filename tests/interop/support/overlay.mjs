// An overlay service: the topic tm_messagebox and the lookup service ls_messagebox, over the overlay's HTTP interface.
// Also an HTTP proxy for itself: what is asked of http://localhost:8080 through it, it answers.

import { once } from 'node:events'
import http from 'node:http'
import { Beef, ProtoWallet, PushDrop, Transaction, Utils } from '@bsv/sdk'

const TOPIC = 'tm_messagebox'

async function bytes (request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The advertisement in an output, if its identity has signed it. */
async function advertised (output) {
  try {
    const { fields } = PushDrop.decode(output.lockingScript)
    const signature = fields.pop()
    const [identityKey, host] = [Utils.toHex(fields[0]), Utils.toUTF8(fields[1])]
    await new ProtoWallet('anyone').verifySignature({
      data: fields.flat(),
      signature,
      counterparty: identityKey,
      protocolID: [1, 'messagebox advertisement'],
      keyID: '1'
    })
    return { identityKey, host }
  } catch {
    return undefined
  }
}

export class OverlayService {
  static async start () {
    const service = new OverlayService()
    /** By outpoint, in the order in which they came. */
    service.known = new Map()
    service.refuses = false
    /** Whether clients that accept it get one BEEF for all. */
    service.aggregates = true
    service.listener = http.createServer((request, response) => {
      service.answer(request, response).catch(error => {
        response.writeHead(400, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ status: 'error', message: String(error) }))
      })
    })
    service.listener.listen(0, '127.0.0.1')
    await once(service.listener, 'listening')
    service.url = `http://127.0.0.1:${service.listener.address().port}`
    return service
  }

  /** What has the command and the server find it where their `local` network is. */
  get env () {
    return { http_proxy: this.url, no_proxy: '127.0.0.1', BSV_NETWORK: 'local' }
  }

  async answer (request, response) {
    const { pathname } = new URL(request.url, this.url)
    const body = await bytes(request)
    if (pathname === '/submit') return await this.submit(request, response, body)
    if (pathname === '/lookup') return this.lookup(request, response, JSON.parse(body))
    response.writeHead(404).end()
  }

  async submit (request, response, body) {
    if (this.refuses) throw new Error('refused')
    if (!JSON.parse(request.headers['x-topics']).includes(TOPIC)) throw new Error('no topic of ours')
    const steak = { [TOPIC]: await this.take(Transaction.fromBEEF([...body])) }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(steak))
  }

  async take (transaction) {
    if (!await transaction.verify('scripts only')) throw new Error('a script does not hold')
    const coinsRemoved = []
    for (const [index, input] of transaction.inputs.entries()) {
      const source = input.sourceTXID ?? input.sourceTransaction.id('hex')
      if (this.known.delete(`${source}.${input.sourceOutputIndex}`)) coinsRemoved.push(index)
    }
    const outputsToAdmit = []
    for (const [index, output] of transaction.outputs.entries()) {
      const advertisement = await advertised(output)
      if (!advertisement) continue
      this.known.set(`${transaction.id('hex')}.${index}`, { ...advertisement, transaction, index })
      outputsToAdmit.push(index)
    }
    return { outputsToAdmit, coinsToRetain: [], coinsRemoved }
  }

  lookup (request, response, { service, query }) {
    if (service !== 'ls_messagebox') throw new Error(`no service ${service}`)
    const found = [...this.known.values()].filter(({ identityKey, host }) =>
      identityKey === query.identityKey && (query.host === undefined || query.host === host))
    if (this.aggregates && request.headers['x-aggregation'] === 'yes') {
      const [beef, answer] = [new Beef(), new Utils.Writer()]
      answer.writeVarIntNum(found.length)
      for (const { transaction, index } of found) {
        beef.mergeBeef(transaction.toBEEF())
        answer.write(Utils.toArray(transaction.id('hex'), 'hex'))
        answer.writeVarIntNum(index)
        answer.writeVarIntNum(0)
      }
      answer.write(beef.toBinary())
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      return response.end(Buffer.from(answer.toArray()))
    }
    const outputs = found.map(({ transaction, index }) => ({ beef: transaction.toBEEF(), outputIndex: index }))
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ type: 'output-list', outputs }))
  }

  async stop () {
    this.listener.closeAllConnections()
    this.listener.close()
    await once(this.listener, 'close')
  }
}
