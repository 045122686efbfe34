// The 402 steps of the newest clients, and the BRC-118 multipart request (section 5).

import { randomBytes } from 'node:crypto'

import { fromBase64, utf8Length } from './bytes.mjs'
import { demand } from './refusal.mjs'

const KIB = 1024
/** A larger payment goes as multipart if the server accepts it. */
const HEADER_PAYMENT = 8_192
/** All headers of a request, less what the client keeps back for the others. */
const HEADER_ROOM = 16 * KIB - 4 * KIB

/** Reads the challenge in a 402. */
export function readChallenge (headers) {
  const of = name => headers.get(name) ?? undefined
  demand(of('x-bsv-payment-version') === '1.0', 'payment.version')
  const satoshis = of('x-bsv-payment-satoshis-required')
  demand(satoshis !== undefined && /^[1-9]\d*$/.test(satoshis) && Number.isSafeInteger(Number(satoshis)), 'payment.satoshis')
  const derivationPrefix = of('x-bsv-payment-derivation-prefix')
  demand(fromBase64(derivationPrefix) !== null, 'payment.prefix')
  const listed = of('x-bsv-payment-transports')
  demand(listed === undefined || listed.length <= 256, 'payment.transports', undefined, 'ERR_PAYMENT_TRANSPORT')
  const transports = (listed ?? 'header').split(',').map(one => one.trim()).filter(one => one === 'header' || one === 'multipart')
  demand(transports.length > 0, 'payment.transports', undefined, 'ERR_PAYMENT_TRANSPORT')
  const known = of('x-bsv-payment-known-txids')?.split(',') ?? []
  demand(known.length <= 256 && known.every(txid => /^[0-9a-f]{64}$/.test(txid)), 'payment.known-txids')
  return { satoshis: Number(satoshis), derivationPrefix, transports, known }
}

/** Requires that a repeated challenge is the one that was paid. Even then the money is spent. */
export function checkSecondChallenge (first, headers) {
  const again = readChallenge(headers)
  demand(again.satoshis === first.satoshis && again.derivationPrefix === first.derivationPrefix,
    'payment.changed', 'the server asks for another payment after one was sent', 'ERR_PAYMENT_REQUIREMENTS_CHANGED')
}

const headerSize = headers => Object.entries(headers).reduce((sum, [name, value]) => sum + utf8Length(name) + utf8Length(value) + 4, 0)

/** Chooses how a payment goes with this request: `header` or `multipart`. */
export function chooseTransport (transports, payment, { method, headers }) {
  const length = JSON.stringify(payment).length
  const isMultipart = /^multipart\//i.test(headers['content-type'] ?? '')
  const bodyless = method === 'GET' || method === 'HEAD'
  const byHeader = transports.includes('header') && !isMultipart
  if (transports.includes('multipart') && !bodyless && (length > HEADER_PAYMENT || !byHeader)) return 'multipart'
  demand(byHeader && headerSize(headers) + length <= HEADER_ROOM, 'payment.transport-needed',
    'This payment requires multipart support from the authenticated server.', 'ERR_PAYMENT_TRANSPORT')
  return 'header'
}

/** Puts the payment and the body of a request into one multipart body. */
export function multipart (payment, { headers, body }, boundary = `----BsvPayment${randomBytes(16).toString('hex')}`) {
  const text = JSON.stringify(payment)
  demand(text.length <= 4 * KIB * KIB && (body?.length ?? 0) <= 7 * KIB * KIB, 'payment.limit', undefined, 'ERR_PAYMENT_SIZE')
  const parts = [
    `--${boundary}\r\nContent-Disposition: form-data; name="x-bsv-payment"\r\nContent-Type: application/json\r\n\r\n`,
    text,
    '\r\n'
  ]
  if (body?.length > 0) {
    const type = headers['content-type'] ?? 'application/octet-stream'
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="body"\r\nContent-Type: ${type}\r\n\r\n`, body, '\r\n')
  }
  parts.push(`--${boundary}--\r\n`)
  return {
    headers: { ...headers, 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat(parts.map(part => Buffer.from(part)))
  }
}
