// A slow wallet, like one behind HTTP, and one that also pays.

import { setTimeout as sleep } from 'node:timers/promises'

import { LockingScript, P2PKH, PrivateKey, Transaction, Utils } from '@bsv/sdk'

import { funded } from '../support/wallet.mjs'
import { NativeWallet } from './native-wallet.mjs'

const CALLS = ['createHmac', 'verifyHmac', 'createSignature', 'verifySignature', 'encrypt', 'decrypt', 'getPublicKey']

/** Wraps a wallet of the SDK: every call takes `delay` milliseconds longer. */
export class SlowWallet {
  constructor (wallet, delay = 0) {
    this.inner = wallet
    this.delay = delay
    this.calls = 0
    for (const name of [...CALLS, 'listCertificates', 'proveCertificate', 'createAction', 'abortAction', 'internalizeAction']) {
      if (typeof wallet[name] !== 'function') continue
      this[name] = async (...args) => {
        this.calls++
        if (this.delay > 0) await sleep(this.delay)
        return await wallet[name](...args)
      }
    }
  }
}

/** Makes a transaction with `noSend`, and broadcasts it with `sendWith`. */
export class TwoStepWallet extends NativeWallet {
  /** `padding`: how many bytes of data the payment carries beside its outputs. */
  constructor (key, padding = 0) {
    super(key)
    this.padding = padding
    this.made = new Map()
    this.broadcast = []
    this.aborted = []
    this.received = []
  }

  async createAction ({ outputs = [], options = {} }) {
    if (options.sendWith !== undefined) {
      this.broadcast.push(...options.sendWith)
      return { sendWithResults: options.sendWith.map(txid => ({ txid, status: 'unproven' })) }
    }
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
    if (this.padding > 0) {
      const data = Utils.toHex(new Array(this.padding).fill(0x6a))
      const length = Utils.toHex([this.padding & 255, (this.padding >> 8) & 255, (this.padding >> 16) & 255, 0])
      payment.addOutput({ satoshis: 0, lockingScript: LockingScript.fromHex(`006a4e${length}${data}`) })
    }
    await payment.sign()
    const txid = payment.id('hex')
    this.made.set(txid, outputs.map(({ satoshis }) => satoshis))
    if (options.noSend !== true) this.broadcast.push(txid)
    return { txid, tx: payment.toAtomicBEEF() }
  }

  /** The outputs of each broadcast transaction. */
  get paid () {
    return this.broadcast.map(txid => this.made.get(txid))
  }

  async abortAction ({ reference }) {
    this.aborted.push(reference)
    return { aborted: true }
  }

  async internalizeAction (action) {
    this.received.push(action)
    return { accepted: true }
  }
}
