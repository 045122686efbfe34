// The checks of every authentication message, in the order of the newest clients (section 2.1).

import { PublicKey } from '@bsv/sdk'

import { fromBase64, utf8Length } from './bytes.mjs'
import { demand } from './refusal.mjs'
import { isBytes, walk } from './value.mjs'

export const VERSION = '0.1'

const known = new Set()

/** Demands a canonical compressed key of the curve. */
export function checkKey (key, form = 'message.identity.form', curve = 'message.identity.curve') {
  demand(typeof key === 'string' && /^(02|03)[0-9a-f]{64}$/.test(key), form,
    'Authentication identityKey must be a canonical compressed public key.')
  if (known.has(key)) return
  let valid = true
  try {
    valid = PublicKey.fromString(key).validate()
  } catch {
    valid = false
  }
  demand(valid, curve, 'Authentication identityKey must be a valid compressed public key.')
  known.add(key)
}

export function isKey (key) {
  try {
    checkKey(key)
    return true
  } catch {
    return false
  }
}

function nonce (message, field, bytes) {
  const value = message[field]
  const decoded = typeof value === 'string' && value.length <= 128 ? fromBase64(value) : null
  const name = `${message.messageType}.${field}`
  demand(decoded !== null, 'message.nonce.base64', `${name} must be canonical base64.`)
  demand(decoded.length === bytes, bytes === 48 ? 'message.nonce.session' : 'message.nonce.message',
    `${name} must encode exactly ${bytes} bytes, not ${decoded.length}.`)
}

function signature (message) {
  const { signature } = message
  demand(isBytes(signature) && signature.length >= 1 && signature.length <= 1024, 'message.signature',
    `${message.messageType}.signature must be a dense byte array of at most 1024 bytes.`)
}

const isPlain = value => value !== null && typeof value === 'object' && !Array.isArray(value)

/** The certificates that a peer asks for. */
export function checkRequested (requested) {
  demand(isPlain(requested), 'requested.object')
  const { certifiers, types } = requested
  demand(Array.isArray(certifiers) && certifiers.length <= 100 && certifiers.every(isKey) &&
    new Set(certifiers).size === certifiers.length, 'requested.certifiers')
  demand(isPlain(types) && Object.keys(types).length <= 100 &&
    Object.keys(types).every(type => fromBase64(type)?.length === 32), 'requested.types')
  for (const fields of Object.values(types)) {
    demand(Array.isArray(fields) && fields.length <= 100 && new Set(fields).size === fields.length &&
      fields.every(name => typeof name === 'string' && name !== '' && utf8Length(name) <= 50), 'requested.fields')
  }
}

function certificates (message) {
  demand(Array.isArray(message.certificates) && message.certificates.length <= 100, 'message.certificates',
    'Authentication certificates exceed their limit.')
}

const FIELDS = {
  initialRequest (message) {
    nonce(message, 'initialNonce', 48)
  },
  initialResponse (message) {
    nonce(message, 'initialNonce', 48)
    nonce(message, 'yourNonce', 48)
    signature(message)
  },
  general (message) {
    nonce(message, 'nonce', 32)
    nonce(message, 'yourNonce', 48)
    demand(isBytes(message.payload), 'message.payload', 'general.payload must be a dense byte array.')
    signature(message)
  },
  certificateRequest (message) {
    nonce(message, 'nonce', 32)
    nonce(message, 'initialNonce', 48)
    nonce(message, 'yourNonce', 48)
    checkRequested(message.requestedCertificates)
    signature(message)
  },
  certificateResponse (message) {
    nonce(message, 'nonce', 32)
    nonce(message, 'initialNonce', 48)
    nonce(message, 'yourNonce', 48)
    certificates(message)
    signature(message)
  }
}

/** Throws the first refusal, or returns the message. */
export function checkMessage (message) {
  walk(message)
  demand(isPlain(message), 'message.object')
  demand(message.version === VERSION, 'message.version',
    `Invalid or unsupported message auth version! Received: ${message.version}, expected: ${VERSION}`)
  checkKey(message.identityKey)
  if (message.requestedCertificates !== undefined) checkRequested(message.requestedCertificates)
  if (message.certificates !== undefined) certificates(message)
  const fields = Object.hasOwn(FIELDS, message.messageType) ? FIELDS[message.messageType] : undefined
  demand(fields !== undefined, 'message.type', `Unknown message type of ${message.messageType}`)
  fields(message)
  return message
}
