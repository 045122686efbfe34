// Canonical base64, and the canonical bytes of requests and replies.

export const NO_VALUE = -1

/** Decodes standard base64 with padding and without stray bits; gives null for everything else. */
export function fromBase64 (text) {
  if (typeof text !== 'string' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

export const toBase64 = bytes => Buffer.from(bytes).toString('base64')

export function varint (value) {
  if (value === NO_VALUE) return Buffer.alloc(9, 0xff)
  if (value < 0xfd) return Buffer.from([value])
  if (value <= 0xffff) {
    const bytes = Buffer.alloc(3, 0xfd)
    bytes.writeUInt16LE(value, 1)
    return bytes
  }
  if (value <= 0xffffffff) {
    const bytes = Buffer.alloc(5, 0xfe)
    bytes.writeUInt32LE(value, 1)
    return bytes
  }
  const bytes = Buffer.alloc(9, 0xff)
  bytes.writeBigUInt64LE(BigInt(value), 1)
  return bytes
}

export class Writer {
  parts = []

  raw (bytes) {
    this.parts.push(Buffer.from(bytes))
    return this
  }

  number (value) {
    return this.raw(varint(value))
  }

  /** A length and the bytes; nothing at all is the length -1. */
  sized (bytes) {
    if (bytes === undefined || bytes === null) return this.number(NO_VALUE)
    const whole = Buffer.from(bytes)
    return this.number(whole.length).raw(whole)
  }

  pairs (entries) {
    this.number(entries.length)
    for (const [name, value] of entries) this.sized(name).sized(value)
    return this
  }

  done () {
    return Buffer.concat(this.parts)
  }
}

/** Reads what a Writer writes. `refuse(kind)` throws for malformed bytes. */
export class Reader {
  constructor (bytes, refuse) {
    this.bytes = Buffer.from(bytes)
    this.at = 0
    this.refuse = refuse
  }

  raw (count) {
    if (this.at + count > this.bytes.length) this.refuse('trailing', 'the canonical bytes end early')
    this.at += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  number () {
    const [first] = this.raw(1)
    if (first < 0xfd) return first
    if (first === 0xfd) return this.minimal(this.raw(2).readUInt16LE(), 0xfd)
    if (first === 0xfe) return this.minimal(this.raw(4).readUInt32LE(), 0x10000)
    const value = this.raw(8).readBigUInt64LE()
    if (value === 0xffffffffffffffffn) return NO_VALUE
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse('varint', 'a varint exceeds the safe integers')
    return this.minimal(Number(value), 0x100000000)
  }

  minimal (value, least) {
    if (value < least) this.refuse('varint', 'a varint is longer than it must be')
    return value
  }

  sized () {
    const count = this.number()
    return count === NO_VALUE ? null : this.raw(count)
  }

  text () {
    return strictText(this.sized() ?? [], () => this.refuse('utf8', 'a text is not UTF-8'))
  }

  end () {
    if (this.at !== this.bytes.length) this.refuse('trailing', `${this.bytes.length - this.at} bytes stand behind the end`)
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function strictText (bytes, refuse) {
  try {
    return decoder.decode(Buffer.from(bytes))
  } catch {
    return refuse()
  }
}

export const utf8Length = text => Buffer.byteLength(text, 'utf8')
