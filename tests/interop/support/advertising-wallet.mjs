// A BRC-100 wallet with invented money: an object for the published client, HTTP for others.

import { once } from 'node:events'
import http from 'node:http'
import { Beef, LockingScript, P2PKH, PrivateKey, ProtoWallet, Transaction, UnlockingScript } from '@bsv/sdk'

import { funded } from './wallet.mjs'

const METHODS = ['getPublicKey', 'createSignature', 'createAction', 'signAction', 'abortAction', 'listOutputs']

export class AdvertisingWallet extends ProtoWallet {
  constructor (key) {
    super(key)
    /** By outpoint, what it has in baskets. */
    this.outputs = new Map()
    /** By reference, what waits for signatures. */
    this.unsigned = new Map()
    this.made = 0
  }

  async createAction ({ inputBEEF, inputs = [], outputs = [] }) {
    const action = new Transaction()
    for (const { outpoint } of inputs) {
      if (!this.outputs.has(outpoint)) throw new Error(`${outpoint} is not to be spent`)
      const [txid, index] = outpoint.split('.')
      action.addInput({
        sourceTransaction: Beef.fromBinary(inputBEEF).findAtomicTransaction(txid),
        sourceOutputIndex: Number(index),
        unlockingScript: UnlockingScript.fromHex(''),
        sequence: 0xffffffff
      })
    }
    const key = PrivateKey.fromRandom()
    action.addInput({
      sourceTransaction: funded(key),
      sourceOutputIndex: 0,
      unlockingScriptTemplate: new P2PKH().unlock(key),
      sequence: 0xffffffff
    })
    for (const { satoshis, lockingScript } of outputs) {
      action.addOutput({ satoshis, lockingScript: LockingScript.fromHex(lockingScript) })
    }
    action.addOutput({ satoshis: 1_000, lockingScript: new P2PKH().lock(key.toAddress()) })
    await action.sign()
    const baskets = outputs.map(({ basket }) => basket)
    if (inputs.length === 0) return this.finish(action, baskets)
    const reference = Buffer.from(`action ${this.unsigned.size}`).toString('base64')
    this.unsigned.set(reference, { action, baskets })
    return { signableTransaction: { tx: action.toAtomicBEEF(), reference } }
  }

  async signAction ({ reference, spends }) {
    const { action, baskets } = this.unsigned.get(reference)
    this.unsigned.delete(reference)
    for (const [index, { unlockingScript }] of Object.entries(spends)) {
      action.inputs[index].unlockingScript = UnlockingScript.fromHex(unlockingScript)
    }
    await action.sign()
    return this.finish(action, baskets)
  }

  async abortAction ({ reference }) {
    return { aborted: this.unsigned.delete(reference) }
  }

  finish (action, baskets) {
    const txid = action.id('hex')
    for (const { sourceTransaction, sourceOutputIndex } of action.inputs) {
      this.outputs.delete(`${sourceTransaction.id('hex')}.${sourceOutputIndex}`)
    }
    for (const [index, basket] of baskets.entries()) {
      if (basket) this.outputs.set(`${txid}.${index}`, { basket, action, satoshis: action.outputs[index].satoshis })
    }
    this.made++
    return { txid, tx: action.toAtomicBEEF() }
  }

  async listOutputs ({ basket, include }) {
    const kept = [...this.outputs].filter(([, output]) => output.basket === basket)
    const outputs = kept.map(([outpoint, { satoshis }]) => ({ outpoint, satoshis, spendable: true }))
    const answer = { totalOutputs: outputs.length, outputs }
    if (include === 'entire transactions') {
      const beef = new Beef()
      for (const [, { action }] of kept) beef.mergeBeef(action.toBEEF())
      answer.BEEF = beef.toBinary()
    }
    return answer
  }

  /** Opens it to programs of the same machine. */
  async serve () {
    this.listener = http.createServer((request, response) => {
      this.answer(request).then(
        answer => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
        error => response.writeHead(400).end(JSON.stringify({ isError: true, message: error.message }))
      )
    })
    this.listener.listen(0, '127.0.0.1')
    await once(this.listener, 'listening')
    this.url = `http://127.0.0.1:${this.listener.address().port}`
    return this
  }

  async answer (request) {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const method = request.url.slice(1)
    if (!METHODS.includes(method)) throw new Error(`no method ${method}`)
    return await this[method](JSON.parse(Buffer.concat(chunks)))
  }

  async stop () {
    this.listener.closeAllConnections()
    this.listener.close()
    await once(this.listener, 'close')
  }
}
