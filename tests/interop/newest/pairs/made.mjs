// The parts of the pairs of bad and good inputs.

import { randomBytes } from 'node:crypto'

import { PrivateKey } from '@bsv/sdk'

import { toBase64 } from '../bytes.mjs'

const key = () => PrivateKey.fromRandom().toPublicKey().toString()

export const [ALICE, BOB] = [key(), key()]
export const TIME = '2026-11-29T18:00:00.000Z'
export const b64 = count => toBase64(randomBytes(count))
export const many = (count, of) => Array.from({ length: count }, (_, n) => of(n))
export const nested = depth => depth === 0 ? 1 : { a: nested(depth - 1) }

/** A general message, with these changes. */
export const general = change => ({
  version: '0.1', messageType: 'general', identityKey: ALICE, nonce: b64(32), yourNonce: b64(48), payload: [1], signature: [48], ...change
})

/** Tables of `rule: [bad, good]` as `rule: [check, bad, good]`. */
export const spread = (check, table) => Object.fromEntries(Object.entries(table).map(([rule, twins]) => [rule, [check, ...twins]]))
