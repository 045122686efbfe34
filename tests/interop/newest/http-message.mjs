// The canonical bytes of requests and replies, and the client's checks of both (sections 4.1 and 4.2).

import { NO_VALUE, Reader, Writer, fromBase64, utf8Length } from './bytes.mjs'
import { VERSION } from './message.mjs'
import { Refusal, demand } from './refusal.mjs'
import { MAX_PAYLOAD } from './value.mjs'

const KIB = 1024
const MULTIPART = /^\s*multipart\/form-data\s*(;|$)/i

const byName = ([left], [right]) => left < right ? -1 : left > right ? 1 : 0

/** Gives the headers that a request signs. */
export function signedRequestHeaders (headers) {
  const signed = []
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase()
    const ours = name.startsWith('x-bsv-') && !name.startsWith('x-bsv-auth')
    demand(ours || name === 'content-type' || name === 'authorization', 'request.headers', `the header ${name} cannot be signed`)
    const limit = name === 'x-bsv-payment' ? 'request.payment-header' : 'request.header-value'
    demand(utf8Length(value) <= (name === 'x-bsv-payment' ? 256 : 32) * KIB, limit)
    const whole = name !== 'content-type' || MULTIPART.test(value)
    signed.push([name, whole ? value : value.split(';')[0].trim()])
  }
  return signed.sort(byName)
}

/** Gives the bytes that a request signs. */
export function requestPayload (requestId, { method, url, headers, body }) {
  const { pathname, search } = new URL(url)
  demand(utf8Length(method) <= 32, 'request.method')
  demand(utf8Length(pathname) <= 8_192, 'request.path')
  demand(utf8Length(search) <= 8_192, 'request.query')
  const payload = new Writer().raw(requestId).sized(method).sized(pathname || null).sized(search || null)
    .pairs(signedRequestHeaders(headers)).sized(body?.length > 0 ? body : null).done()
  demand(payload.length <= MAX_PAYLOAD, 'request.payload')
  return payload
}

/** The headers that a reply signs. `headers` are pairs with lower-case names. */
function signedReplyHeaders (headers) {
  const signed = headers.filter(([name]) => name === 'authorization' || (name.startsWith('x-bsv-') && !name.startsWith('x-bsv-auth')))
  demand(signed.length <= 128, 'reply.header-count')
  let sum = 0
  for (const [name, value] of signed) {
    demand(utf8Length(name) <= 256, 'reply.header-name')
    demand(utf8Length(value) <= 8 * KIB, 'reply.header-value')
    sum += utf8Length(name) + utf8Length(value)
  }
  demand(sum <= 64 * KIB, 'reply.header-sum')
  return signed.sort(byName)
}

/** Gives the bytes that a reply must have signed. An empty body has the length -1. */
export function replyPayload (requestId, status, headers, body) {
  const payload = new Writer().raw(requestId).number(status).pairs(signedReplyHeaders(headers))
    .sized(body.length > 0 ? body : null).done()
  demand(payload.length <= MAX_PAYLOAD, 'reply.payload', `a signed reply of ${payload.length} bytes exceeds ${MAX_PAYLOAD}`)
  return payload
}

/** Reads the bytes of a reply. Refuses everything that is not canonical. */
export function readReply (payload) {
  const reader = new Reader(payload, (kind, text) => { throw new Refusal(`reply.${kind}`, text) })
  const requestId = reader.raw(32)
  const status = reader.number()
  demand(status >= 200 && status <= 599, 'reply.status')
  const count = reader.number()
  const headers = []
  for (let n = 0; n < count; n++) headers.push([reader.text(), reader.text()])
  const body = reader.sized() ?? Buffer.alloc(0)
  reader.end()
  return { requestId, status, headers, body }
}

/** Checks a reply. Returns the signed message in it, or null for a reply without a signature. */
export function checkReply ({ status, headers, body }, requestId) {
  demand(status >= 200 && status <= 599, 'reply.status')
  const of = name => {
    const values = headers.filter(([given]) => given === name)
    return values.length === 1 ? values[0][1] : undefined
  }
  const length = of('content-length')
  demand(length === undefined || /^\d+$/.test(length), 'reply.length')
  demand(body.length <= 16 * KIB * KIB, 'reply.body')
  const auth = name => of(`x-bsv-auth-${name}`)
  const needed = ['version', 'identity-key', 'nonce', 'your-nonce', 'signature', 'request-id']
  if (needed.every(name => auth(name) === undefined)) return null
  const missing = needed.filter(name => auth(name) === undefined)
  demand(missing.length === 0, 'reply.unsigned', `a reply of status ${status} lacks ${missing}`)
  demand(auth('version') === VERSION, 'reply.version')
  const id = fromBase64(auth('request-id'))
  demand(id?.length === 32, 'reply.request-id')
  demand(id.equals(Buffer.from(requestId)), 'reply.request-id-own')
  demand(fromBase64(auth('nonce'))?.length === 32, 'reply.nonce')
  demand(fromBase64(auth('your-nonce'))?.length === 48, 'reply.your-nonce')
  const signature = auth('signature')
  demand(/^([0-9a-f]{2})+$/i.test(signature) && signature.length <= 2_048, 'reply.signature')
  const messageType = auth('message-type') ?? 'general'
  demand(messageType === 'general' || messageType === 'certificateRequest', 'reply.type')
  const requested = auth('requested-certificates')
  demand(requested === undefined || utf8Length(requested) <= 64 * KIB, 'reply.requested')
  return {
    version: VERSION,
    messageType,
    identityKey: auth('identity-key'),
    nonce: auth('nonce'),
    yourNonce: auth('your-nonce'),
    requestedCertificates: requested === undefined ? undefined : JSON.parse(requested),
    payload: [...replyPayload(id, status, headers, body)],
    signature: [...Buffer.from(signature, 'hex')]
  }
}

export { NO_VALUE }
