// The rules of the newest message box client for each reply (section 6).

import { utf8Length } from './bytes.mjs'
import { isKey } from './message.mjs'
import { demand } from './refusal.mjs'

const MAX_FEE = 2_147_483_647
const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value)
const isTime = value => typeof value === 'string' && value.length <= 64 && !Number.isNaN(Date.parse(value))
const isFee = value => Number.isInteger(value) && value >= -1 && value <= MAX_FEE
const statusOf = fee => fee === -1 ? 'blocked' : fee === 0 ? 'always_allow' : 'payment_required'

export function checkHost (host) {
  const url = new URL(host)
  const loopback = ['localhost', '[::1]'].includes(url.hostname) || url.hostname.startsWith('127.')
  demand(url.protocol === 'https:' || (url.protocol === 'http:' && loopback), 'box.host')
  demand(url.username === '' && url.password === '' && url.search === '' && url.hash === '', 'box.host')
}

/** Returns the object of a success. Throws the server's error otherwise. */
export function checkSuccess (status, body) {
  let answer
  try {
    answer = JSON.parse(body)
  } catch {
    answer = undefined
  }
  if (status !== 200 || answer?.status !== 'success') {
    const code = answer?.code
    demand(status !== 200 && isObject(answer) && typeof code === 'string', 'box.success',
      `status ${status} with ${String(body).slice(0, 200)}`)
    demand(/^ERR_[A-Z0-9_]{1,64}$/.test(code), 'box.code', `the code ${code} is not shown`)
    throw Object.assign(new Error(`Message box request failed: ${status} ${code}`), { status, code, answer })
  }
  demand(isObject(answer), 'box.success')
  checkText(answer.message)
  return answer
}

function checkText (message) {
  demand(message === undefined || (typeof message === 'string' && message === message.trim() && utf8Length(message) <= 512), 'box.message')
}

/** `sent`: pairs of recipient and message id. */
export function checkResults (answer, sent) {
  const { results } = answer
  demand(Array.isArray(results) && results.length === sent.length, 'box.results')
  const left = new Map(sent)
  for (const row of results) {
    demand(isObject(row) && left.get(row.recipient) === row.messageId && left.delete(row.recipient), 'box.results')
  }
}

export function checkPage (answer, { offset = 0 } = {}) {
  const { messages, hasMore, nextOffset } = answer
  demand(Array.isArray(messages), 'box.list-row')
  for (const row of messages) {
    demand(isObject(row) && typeof row.messageId === 'string' && row.messageId !== '' && utf8Length(row.messageId) <= 256 &&
      typeof row.body === 'string' && isKey(row.sender), 'box.list-row')
    demand(isTime(row.createdAt ?? row.created_at) && isTime(row.updatedAt ?? row.updated_at), 'box.list-row')
  }
  demand(typeof hasMore === 'boolean', 'box.list-page', 'a page without hasMore ends the reading, so later messages are lost')
  demand(Number.isInteger(nextOffset) && nextOffset >= offset, 'box.list-page')
  demand(!hasMore || nextOffset > offset, 'box.list-page')
  return answer
}

const pick = (row, camel, snake) => row[camel] !== undefined ? row[camel] : row[snake]

function isPermission (row) {
  const sender = row.sender
  return (sender === null || isKey(sender)) && typeof pick(row, 'messageBox', 'message_box') === 'string' &&
    isFee(pick(row, 'recipientFee', 'recipient_fee')) &&
    isTime(pick(row, 'createdAt', 'created_at')) && isTime(pick(row, 'updatedAt', 'updated_at'))
}

export function checkPermission (answer) {
  const { permission } = answer
  demand(permission === null || (isObject(permission) && isPermission(permission)), 'box.permission')
  return permission
}

export function checkPermissions (answer) {
  const { permissions } = answer
  demand(Array.isArray(permissions) && permissions.every(row => isObject(row) && isPermission(row)), 'box.permission-list')
  demand(answer.totalCount === undefined || Number.isInteger(answer.totalCount), 'box.permission-list')
  return permissions
}

export function checkQuote (answer) {
  const { quote } = answer
  demand(isObject(quote) && isFee(quote.deliveryFee) && quote.deliveryFee >= 0 && isFee(quote.recipientFee), 'box.quote')
  return quote
}

export function checkQuotes (answer, { recipients, messageBox }) {
  const { quotesByRecipient: quotes, totals, blockedRecipients } = answer
  demand(Array.isArray(quotes) && quotes.length === recipients.length, 'box.quote')
  const left = new Set(recipients)
  for (const row of quotes) {
    demand(isObject(row) && left.delete(row.recipient) && row.messageBox === messageBox && isFee(row.deliveryFee) &&
      row.deliveryFee >= 0 && isFee(row.recipientFee), 'box.quote')
    demand(row.status === statusOf(row.recipientFee), 'box.quote-status')
  }
  const blocked = quotes.filter(({ recipientFee }) => recipientFee === -1).map(({ recipient }) => recipient)
  demand(Array.isArray(blockedRecipients) && blockedRecipients.length === blocked.length &&
    blocked.every(key => blockedRecipients.includes(key)), 'box.quote-blocked')
  demand(isObject(totals) && totals.deliveryFees === quotes[0].deliveryFee * recipients.length, 'box.quote-totals',
    `totals.deliveryFees is ${totals?.deliveryFees} for ${recipients.length} recipients of ${quotes[0]?.deliveryFee}`)
  return answer
}

export function checkRegistered (answer) {
  demand(typeof answer.message === 'string' && Number.isInteger(answer.deviceId) && answer.deviceId >= 1, 'box.registered')
  return answer
}

export function checkDevices (answer) {
  demand(Array.isArray(answer.devices), 'box.device')
  for (const device of answer.devices) {
    demand(isObject(device) && Number.isInteger(device.id) && device.id >= 1, 'box.device')
    demand(device.deviceId === null || (typeof device.deviceId === 'string' && utf8Length(device.deviceId) <= 255), 'box.device')
    demand(device.platform === null || ['ios', 'android', 'web'].includes(device.platform), 'box.device')
    demand(typeof device.fcmToken === 'string' && device.fcmToken.length <= 64, 'box.device')
    demand(typeof device.active === 'boolean', 'box.device')
    for (const name of ['createdAt', 'updatedAt', 'lastUsed']) demand(isTime(device[name]), 'box.device-time', `${name} is ${device[name]}`)
  }
  return answer.devices
}
