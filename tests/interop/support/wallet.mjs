// A wallet with invented money: it spends outputs that an invented block proves.

import { LockingScript, MerklePath, P2PKH, PrivateKey, ProtoWallet, Random, Transaction, UnlockingScript, Utils } from '@bsv/sdk'

const FUNDS = 100_000

/** A transaction in a block of two. */
export function funded (key) {
  const source = new Transaction()
  source.addInput({
    sourceTXID: Utils.toHex(Random(32)),
    sourceOutputIndex: 0,
    unlockingScript: UnlockingScript.fromHex('51'),
    sequence: 0xffffffff
  })
  source.addOutput({ satoshis: FUNDS, lockingScript: new P2PKH().lock(key.toAddress()) })
  const leaves = [{ offset: 0, hash: source.id('hex'), txid: true }, { offset: 1, hash: 'ab'.repeat(32) }]
  source.merklePath = new MerklePath(800_000, [leaves])
  return source
}

/** Pays every request, and keeps incoming payments. */
export class PayingWallet extends ProtoWallet {
  constructor (key) {
    super(key)
    this.paid = []
    this.received = []
  }

  async createAction ({ outputs }) {
    const key = PrivateKey.fromRandom()
    const payment = new Transaction()
    payment.addInput({
      sourceTransaction: funded(key),
      sourceOutputIndex: 0,
      unlockingScriptTemplate: new P2PKH().unlock(key)
    })
    for (const { satoshis, lockingScript } of outputs) {
      payment.addOutput({ satoshis, lockingScript: LockingScript.fromHex(lockingScript) })
    }
    await payment.sign()
    this.paid.push(outputs.map(({ satoshis }) => satoshis))
    return { txid: payment.id('hex'), tx: payment.toAtomicBEEF() }
  }

  async internalizeAction (action) {
    this.received.push(action)
    return { accepted: true }
  }
}
