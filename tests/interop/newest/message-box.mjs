// The message box client of the newest generation: HTTP and live, with every check of its replies (sections 6 and 7).

import { P2PKH, PrivateKey, ProtoWallet, PublicKey, Utils } from '@bsv/sdk'

import { AuthFetch } from './auth-fetch.mjs'
import {
  checkDevices, checkHost, checkPage, checkPermission, checkPermissions, checkQuote, checkQuotes, checkRegistered,
  checkResults, checkSuccess
} from './box-replies.mjs'
import { LIVES } from './life.mjs'
import { makeNonce } from './peer.mjs'
import { demand } from './refusal.mjs'

const ENCRYPTION = { protocolID: [1, 'messagebox'], keyID: '1' }
const PAYMENT = [2, '3241645161d8']
const ACK_TIME = 10_000

export class MessageBox {
  /** `life`: one of LIVES. `socket`: options of the socket. */
  constructor ({ host, wallet, life = 'keeping', socket = {}, fetch = {} }) {
    checkHost(host)
    this.host = host.replace(/\/$/, '')
    this.wallet = wallet
    this.lifeName = life
    this.socketOptions = socket
    this.authFetch = new AuthFetch(wallet, fetch)
  }

  async identity () {
    this.key ??= (await this.wallet.getPublicKey({ identityKey: true })).publicKey
    return this.key
  }

  // HTTP

  async request (method, path, body) {
    const reply = await this.authFetch.fetch(`${this.host}${path}`, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
    return checkSuccess(reply.status, reply.body.toString('utf8'))
  }

  async messageId (recipient, body) {
    const data = [...Buffer.from(JSON.stringify(body))]
    const { hmac } = await this.wallet.createHmac({ ...ENCRYPTION, counterparty: recipient, data })
    return Buffer.from(hmac).toString('hex')
  }

  /** The newest clients send a string always. */
  async seal (recipient, body, skipEncryption = false) {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    if (skipEncryption) return text
    const { ciphertext } = await this.wallet.encrypt({ ...ENCRYPTION, counterparty: recipient, plaintext: [...Buffer.from(text)] })
    return JSON.stringify({ encryptedMessage: Utils.toBase64(ciphertext) })
  }

  async unseal (sender, text) {
    let sealed
    try {
      sealed = JSON.parse(text)
    } catch {
      return text
    }
    if (typeof sealed?.encryptedMessage !== 'string') return text
    const { plaintext } = await this.wallet.decrypt({
      ...ENCRYPTION, counterparty: sender, ciphertext: Utils.toArray(sealed.encryptedMessage, 'base64')
    })
    return Buffer.from(plaintext).toString('utf8')
  }

  async sendMessage ({ recipient, messageBox, body, messageId, skipEncryption, checkPermissions: asks = false, sealed }) {
    const id = messageId ?? await this.messageId(recipient, body)
    const message = { recipient, messageBox, messageId: id, body: sealed ?? await this.seal(recipient, body, skipEncryption) }
    const payment = asks ? await this.paymentFor([recipient], messageBox) : undefined
    const answer = await this.request('POST', '/sendMessage', payment === undefined ? { message } : { message, payment })
    checkResults(answer, [[recipient, id]])
    return { ...answer, messageId: id }
  }

  /** One body in the clear for all. The delivery fee is paid once for each recipient. */
  async sendToMany ({ recipients, messageBox, body }) {
    const messageId = await Promise.all(recipients.map(recipient => this.messageId(recipient, body)))
    const payment = await this.paymentFor(recipients, messageBox)
    const message = { recipients, messageBox, messageId, body: await this.seal('', body, true) }
    const answer = await this.request('POST', '/sendMessage', payment === undefined ? { message } : { message, payment })
    checkResults(answer, recipients.map((recipient, n) => [recipient, messageId[n]]))
    return answer
  }

  async list ({ messageBox, pageSize, limit, messageId, raw = false }) {
    const rows = []
    const wanted = limit ?? Infinity
    for (let offset = 0, more = true; more && rows.length < wanted;) {
      const ask = { messageBox, offset }
      const size = Math.min(pageSize ?? Infinity, wanted - rows.length)
      if (Number.isFinite(size)) ask.limit = size
      if (messageId !== undefined) ask.messageId = messageId
      const page = checkPage(await this.request('POST', '/listMessages', ask), { offset })
      rows.push(...page.messages)
      offset = page.nextOffset
      more = page.hasMore
      this.pages = (this.pages ?? 0) + 1
    }
    return raw ? rows : await Promise.all(rows.map(row => this.open(row)))
  }

  async open (row) {
    const wrapped = JSON.parse(row.body)
    if (wrapped.payment !== undefined) await this.takePayment(wrapped.payment)
    const text = typeof wrapped.message === 'string' ? wrapped.message : JSON.stringify(wrapped.message)
    return { messageId: row.messageId, sender: row.sender, body: await this.unseal(row.sender, text), payment: wrapped.payment }
  }

  async takePayment ({ tx, outputs, description, labels }) {
    const own = outputs.filter(({ protocol }) => protocol === 'wallet payment')
    demand(description === undefined || Buffer.byteLength(description) <= 50, 'box.list-row', 'the description of a payment has over 50 bytes')
    if (own.length > 0) await this.wallet.internalizeAction({ tx, outputs: own, description: description ?? 'MessageBox payment', labels })
  }

  async acknowledge (messageIds) {
    return await this.request('POST', '/acknowledgeMessage', { messageIds })
  }

  async setPermission (permission) {
    return await this.request('POST', '/permissions/set', permission)
  }

  async getPermission ({ messageBox, sender }) {
    const query = new URLSearchParams({ recipient: await this.identity(), messageBox })
    if (sender !== undefined) query.set('sender', sender)
    return checkPermission(await this.request('GET', `/permissions/get?${query}`))
  }

  async listPermissions ({ messageBox, limit, offset } = {}) {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ messageBox, limit, offset })) if (value !== undefined) query.set(name, value)
    return checkPermissions(await this.request('GET', `/permissions/list?${query}`))
  }

  async quote ({ recipient, messageBox }) {
    return checkQuote(await this.request('GET', `/permissions/quote?${new URLSearchParams({ recipient, messageBox })}`))
  }

  async quotes ({ recipients, messageBox }) {
    const query = new URLSearchParams(recipients.map(recipient => ['recipient', recipient]))
    query.set('messageBox', messageBox)
    return checkQuotes(await this.request('GET', `/permissions/quote?${query}`), { recipients, messageBox })
  }

  async registerDevice (device) {
    return checkRegistered(await this.request('POST', '/registerDevice', device))
  }

  async devices ({ limit, offset } = {}) {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ limit, offset })) if (value !== undefined) query.set(name, value)
    return checkDevices(await this.request('GET', `/devices${query.size > 0 ? '?' : ''}${query}`))
  }

  // Payments of deliveries

  async paymentFor (recipients, messageBox) {
    const quotes = recipients.length === 1
      ? [{ recipient: recipients[0], ...await this.quote({ recipient: recipients[0], messageBox }) }]
      : (await this.quotes({ recipients, messageBox })).quotesByRecipient
    const delivery = quotes[0].deliveryFee * recipients.length
    const payable = quotes.filter(({ recipientFee }) => recipientFee > 0)
    if (delivery === 0 && payable.length === 0) return undefined
    const outputs = []
    const own = await this.identity()
    const server = this.authFetch.origin(this.host).identity
    if (delivery > 0) {
      outputs.push(await this.output(this.wallet, server, own, delivery))
    }
    // Recipients are paid by the key of `anyone`.
    const anyone = new PrivateKey(1)
    for (const { recipient, recipientFee } of payable) {
      const sender = anyone.toPublicKey().toString()
      outputs.push(await this.output(new ProtoWallet('anyone'), recipient, sender, recipientFee, { recipientIdentityKey: recipient }))
    }
    const { tx } = await this.wallet.createAction({
      description: recipients.length === 1 ? 'MessageBox delivery payment' : 'MessageBox delivery payment (batch)',
      outputs: outputs.map(({ satoshis, lockingScript }) => ({ satoshis, lockingScript, outputDescription: 'fee' })),
      options: { randomizeOutputs: false }
    })
    return {
      tx: [...tx],
      outputs: outputs.map(({ paymentRemittance }, outputIndex) => ({ outputIndex, protocol: 'wallet payment', paymentRemittance })),
      description: recipients.length === 1 ? 'MessageBox delivery payment' : 'MessageBox delivery payment (batch)'
    }
  }

  async output (wallet, counterparty, senderIdentityKey, satoshis, tag) {
    const [derivationPrefix, derivationSuffix] = [await makeNonce(this.wallet), await makeNonce(this.wallet)]
    const { publicKey } = await wallet.getPublicKey({ protocolID: PAYMENT, keyID: `${derivationPrefix} ${derivationSuffix}`, counterparty })
    const paymentRemittance = { derivationPrefix, derivationSuffix, senderIdentityKey }
    if (tag !== undefined) paymentRemittance.customInstructions = JSON.stringify(tag)
    return { satoshis, lockingScript: new P2PKH().lock(PublicKey.fromString(publicKey).toAddress()).toHex(), paymentRemittance }
  }

  // Live

  async connect () {
    this.life ??= new LIVES[this.lifeName]({
      // A host with a path names a Socket.IO namespace.
      url: this.host,
      identityKey: await this.identity(),
      socket: { wallet: this.wallet, ownKey: await this.identity(), ...this.socketOptions }
    })
    await this.life.open()
  }

  async listen (messageBox, onMessage) {
    await this.connect()
    const room = `${await this.identity()}-${messageBox}`
    this.life.listen(`sendMessage-${room}`, message => {
      this.unseal(message.sender, message.body).then(body => onMessage({ ...message, body }))
    })
    await this.life.join(room)
  }

  /** Live where the server acknowledges within 10 s, else over HTTP with the same id. */
  async sendLive ({ recipient, messageBox, body, messageId, skipEncryption }) {
    const id = messageId ?? await this.messageId(recipient, body)
    const sealed = await this.seal(recipient, body, skipEncryption)
    const fallback = () => this.sendMessage({ recipient, messageBox, body, messageId: id, sealed })
    await this.connect()
    const socket = this.life.socket
    const roomId = `${recipient}-${messageBox}`
    const name = `sendMessageAck-${roomId}`
    let settle
    const answered = new Promise(resolve => { settle = resolve })
    const timer = setTimeout(() => settle(undefined), ACK_TIME)
    // The first ack of the room decides, whichever message it names.
    const onAck = ack => settle(ack)
    socket.on(name, onAck)
    try {
      await socket.emit('sendMessage', { roomId, message: { messageId: id, recipient, body: sealed } })
      const ack = await answered
      if (ack?.status !== 'success') return { ...await fallback(), live: false, ack }
      return { status: 'success', messageId: id, live: true }
    } finally {
      clearTimeout(timer)
      socket.off(name, onAck)
    }
  }

  close () {
    this.life?.close()
  }
}
