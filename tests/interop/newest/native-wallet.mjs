// A wallet that signs with OpenSSL. The SDK's needs ten milliseconds per signature, on one thread for all parties.

import { createECDH, createHmac, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'

import { CachedKeyDeriver, ProtoWallet, PublicKey } from '@bsv/sdk'

const P = 2n ** 256n - 2n ** 32n - 977n
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** An ECPrivateKey of secp256k1 (RFC 5915) around its 32 bytes. */
const SEC1 = [Buffer.from('302e0201010420', 'hex'), Buffer.from('a00706052b8104000a', 'hex')]

const big = bytes => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
const bytes32 = value => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const mod = (value, of = P) => ((value % of) + of) % of

/** The inverse by the extended Euclidean algorithm. */
function inverse (value) {
  let [a, b, x, y] = [mod(value), P, 1n, 0n]
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x]
  return mod(x)
}

function add (left, right) {
  const slope = mod((right.y - left.y) * inverse(right.x - left.x))
  const x = mod(slope * slope - left.x - right.x)
  return { x, y: mod(slope * (left.x - x) - left.y) }
}

/** The point of a private key. */
function point (scalar) {
  const ecdh = createECDH('secp256k1')
  ecdh.setPrivateKey(bytes32(scalar))
  const whole = ecdh.getPublicKey()
  return { x: big(whole.subarray(1, 33)), y: big(whole.subarray(33)) }
}

function publicKey ({ x, y }) {
  const coordinate = value => bytes32(value).toString('base64url')
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'secp256k1', x: coordinate(x), y: coordinate(y) } })
}

/** An integer of DER. */
function integer (value) {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, 'hex')
  const positive = bytes[0] > 0x7f ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes
  return Buffer.concat([Buffer.from([2, positive.length]), positive])
}

/** DER with the lower of the two possible s. */
function lowS (raw) {
  const [r, s] = [big(raw.subarray(0, 32)), big(raw.subarray(32))]
  const body = Buffer.concat([integer(r), integer(s > N / 2n ? N - s : s)])
  return [0x30, body.length, ...body]
}

export class NativeWallet extends ProtoWallet {
  constructor (key) {
    super(new CachedKeyDeriver(key))
    this.root = key
    this.scalar = BigInt(`0x${key.toHex()}`)
    this.others = new Map()
  }

  /** The shared secret with another key, and its point. */
  other (key) {
    if (!this.others.has(key)) {
      const other = PublicKey.fromString(key)
      const secret = Buffer.from(this.root.deriveSharedSecret(other).encode(true))
      this.others.set(key, { secret, x: BigInt(`0x${other.getX().toString(16)}`), y: BigInt(`0x${other.getY().toString(16)}`) })
    }
    return this.others.get(key)
  }

  offset (counterparty, [level, name], keyID) {
    return big(createHmac('sha256', this.other(counterparty).secret).update(`${level}-${name}-${keyID}`).digest())
  }

  async createSignature (args) {
    const { data, protocolID, keyID, counterparty } = args
    if (data === undefined || !/^0[23]/.test(counterparty)) return await super.createSignature(args)
    const scalar = mod(this.scalar + this.offset(counterparty, protocolID, keyID), N)
    const key = createPrivateKey({ format: 'der', type: 'sec1', key: Buffer.concat([SEC1[0], bytes32(scalar), SEC1[1]]) })
    return { signature: lowS(sign('sha256', Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' })) }
  }

  async verifySignature (args) {
    const { data, signature, protocolID, keyID, counterparty } = args
    if (data === undefined || !/^0[23]/.test(counterparty)) return await super.verifySignature(args)
    const offset = mod(this.offset(counterparty, protocolID, keyID), N)
    const key = publicKey(add(this.other(counterparty), point(offset)))
    if (!verify('sha256', Buffer.from(data), { key, dsaEncoding: 'der' }, Buffer.from(signature))) throw new Error('Signature is not valid')
    return { valid: true }
  }
}
