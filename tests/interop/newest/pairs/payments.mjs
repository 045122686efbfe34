// Payments of requests: each rule with what breaks it and what keeps it.

import { checkSecondChallenge, chooseTransport, multipart, readChallenge } from '../payment.mjs'
import { request } from './http.mjs'
import { many, spread } from './made.mjs'

export const challenge = change => new Headers(Object.entries({
  'x-bsv-payment-version': '1.0',
  'x-bsv-payment-satoshis-required': '10',
  'x-bsv-payment-derivation-prefix': 'AAAA',
  ...change
}).filter(([, value]) => value !== undefined))
export const TXID = 'ab'.repeat(32)

const challenges = spread(readChallenge, {
  'payment.version': [challenge({ 'x-bsv-payment-version': '1' }), challenge()],
  'payment.satoshis': [challenge({ 'x-bsv-payment-satoshis-required': '0' }), challenge({ 'x-bsv-payment-satoshis-required': '1' })],
  'payment.prefix': [challenge({ 'x-bsv-payment-derivation-prefix': 'AAA' }), challenge({ 'x-bsv-payment-derivation-prefix': 'AAA=' })],
  'payment.transports': [
    challenge({ 'x-bsv-payment-transports': 'pigeon' }), challenge({ 'x-bsv-payment-transports': 'header,multipart' })
  ],
  'payment.known-txids': [
    challenge({ 'x-bsv-payment-known-txids': many(257, () => TXID).join(',') }), challenge({ 'x-bsv-payment-known-txids': `${TXID},${TXID}` })
  ]
})

export const paymentOf = length => ({ derivationPrefix: 'AAAA', derivationSuffix: 'AAAA', transaction: 'x'.repeat(length) })
export const choose = ({ transports, length }) => chooseTransport(transports, paymentOf(length), request())

export const payments = {
  ...challenges,
  'payment.transport-needed': [choose, { transports: ['header'], length: 13_000 }, { transports: ['header', 'multipart'], length: 13_000 }],
  'payment.limit': [length => multipart(paymentOf(length), request()), 4_194_305, 4_000_000],
  'payment.changed': [
    headers => checkSecondChallenge(readChallenge(challenge()), headers),
    challenge({ 'x-bsv-payment-satoshis-required': '11' }), challenge()
  ]
}
