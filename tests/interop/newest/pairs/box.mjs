// Replies of the message box: each rule with what breaks it and what keeps it.

import {
  checkDevices, checkHost, checkPage, checkPermission, checkPermissions, checkQuote, checkQuotes, checkRegistered,
  checkResults, checkSuccess
} from '../box-replies.mjs'
import { Refusal } from '../refusal.mjs'
import { ALICE, BOB, TIME } from './made.mjs'

const row = change => ({ messageId: '1', body: '{"message":"x"}', sender: ALICE, createdAt: TIME, updatedAt: TIME, ...change })
const page = change => ({ messages: [row()], limit: 1, offset: 0, nextOffset: 1, hasMore: true, ...change })
const permission = change => ({ sender: null, messageBox: 'inbox', recipientFee: 0, createdAt: TIME, updatedAt: TIME, ...change })
const device = change => ({
  id: 1, deviceId: null, platform: 'web', fcmToken: '...1234567890', active: true, createdAt: TIME, updatedAt: TIME, lastUsed: TIME, ...change
})
const quoteRow = change => ({ recipient: ALICE, messageBox: 'inbox', deliveryFee: 10, recipientFee: 0, status: 'always_allow', ...change })
const quotes = change => ({
  quotesByRecipient: [quoteRow(), quoteRow({ recipient: BOB })], totals: { deliveryFees: 20 }, blockedRecipients: [], ...change
})
const answer = change => JSON.stringify({ status: 'success', ...change })
const WANTED = { recipients: [ALICE, BOB], messageBox: 'inbox' }
const succeeds = ([status, body]) => {
  try {
    checkSuccess(status, body)
  } catch (error) {
    // The client shows the server's refusal: no rule of the client is broken.
    if (error instanceof Refusal) throw error
  }
}

export const box = {
  'box.host': [checkHost, 'http://example.com', 'http://127.0.0.1:8080/api'],
  'box.success': [succeeds, [200, answer({ status: 'error' })], [200, answer()]],
  'box.code': [succeeds, [400, answer({ status: 'error', code: 'bad' })], [400, answer({ status: 'error', code: 'ERR_BAD' })]],
  'box.message': [succeeds, [200, answer({ message: ' x' })], [200, answer({ message: 'x' })]],
  'box.results': [
    results => checkResults({ results }, [[ALICE, '1'], [BOB, '2']]),
    [{ recipient: ALICE, messageId: '1' }, { recipient: ALICE, messageId: '1' }],
    [{ recipient: BOB, messageId: '2' }, { recipient: ALICE, messageId: '1' }]
  ],
  'box.list-row': [checkPage, page({ messages: [row({ updatedAt: null })] }), page()],
  'box.list-page': [checkPage, page({ hasMore: undefined }), page()],
  'box.permission': [checkPermission, {}, { permission: null }],
  'box.permission-list': [checkPermissions, { permissions: [permission({ createdAt: undefined })] }, { permissions: [permission()] }],
  'box.quote': [checkQuote, { quote: { deliveryFee: '10', recipientFee: 0 } }, { quote: { deliveryFee: 10, recipientFee: -1 } }],
  'box.quote-status': [
    value => checkQuotes(value, WANTED),
    quotes({ quotesByRecipient: [quoteRow({ recipientFee: 5 }), quoteRow({ recipient: BOB })] }),
    quotes({ quotesByRecipient: [quoteRow({ recipientFee: 5, status: 'payment_required' }), quoteRow({ recipient: BOB })] })
  ],
  'box.quote-totals': [value => checkQuotes(value, WANTED), quotes({ totals: { deliveryFees: 10 } }), quotes()],
  'box.quote-blocked': [value => checkQuotes(value, WANTED), quotes({ blockedRecipients: [BOB] }), quotes()],
  'box.registered': [
    checkRegistered, { status: 'success', message: 'x', deviceId: '1' }, { status: 'success', message: 'x', deviceId: 1 }
  ],
  'box.device': [checkDevices, { devices: [device({ fcmToken: 'x'.repeat(65) })] }, { devices: [device()] }],
  'box.device-time': [checkDevices, { devices: [device({ lastUsed: null })] }, { devices: [device()] }]
}
