// Listeners of the three life cycles, each with wallets of 0, 50 and 500 ms per call, and checks after a disturbance.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

import { LIVES } from './life.mjs'
import { DELAYS, Party, listen } from './party.mjs'
import { Refusal } from './refusal.mjs'

export const QUICK = { AUTH_REVIVAL_DELAY: '300ms' }

/** A listener of each life with each wallet. */
async function listeners (host, delays = DELAYS) {
  const kinds = Object.keys(LIVES).flatMap(life => delays.map(delay => ({ life, delay })))
  return await Promise.all(kinds.map(async ({ life, delay }) => {
    const party = new Party({ delay })
    const box = party.box(host, { life, socket: { options: { reconnectionDelay: 50, reconnectionDelayMax: 500 } } })
    return { name: `${life}, ${delay} ms a wallet call`, life, party, box, inbox: await listen(box, 'inbox') }
  }))
}

/** A client that disposes of its socket receives again after the next call of the application. */
async function nextCall ({ life, box, inbox }) {
  if (life !== 'disposing') return
  for (let tries = 0; tries < 20; tries++) {
    try {
      await box.listen('inbox', inbox.push)
      return
    } catch (error) {
      if (error instanceof Refusal && error.rule !== 'socket.authenticated') throw error
      await sleep(200)
    }
  }
}

/** Sends over HTTP until one message arrives live, then twenty more. All twenty must arrive once and in order. */
async function receivesAgain (alice, listener, milliseconds = 40_000) {
  const { party, inbox, name } = listener
  const send = body => alice.sendMessage({ recipient: party.key, messageBox: 'inbox', body, skipEncryption: true })
  await nextCall(listener)
  const began = inbox.items.length
  const deadline = Date.now() + milliseconds
  for (let n = 0; inbox.items.length === began; n++) {
    const refused = inbox.refusal()
    if (refused !== undefined) throw refused
    if (Date.now() > deadline) throw new Refusal('scenario', `${name}: the listener did not come back`)
    await send(`probe ${n}`)
    await sleep(300)
  }
  const bodies = Array.from({ length: 20 }, (_, n) => `after ${n}`)
  for (const body of bodies) await send(body)
  while (inbox.items.at(-1)?.body !== 'after 19') await inbox.atLeast(inbox.items.length + 1, name)
  assert.deepEqual(inbox.items.slice(-20).map(({ body }) => body), bodies, name)
  const ids = inbox.items.map(({ messageId }) => messageId)
  assert.equal(new Set(ids).size, ids.length, `${name}: nothing came twice`)
}

export async function disturbed (t, server, host, disturb, delays) {
  const all = await listeners(host, delays)
  const alice = new Party().box(server.host)
  for (const { party, inbox, name } of all) {
    await alice.sendMessage({ recipient: party.key, messageBox: 'inbox', body: 'before', skipEncryption: true })
    await inbox.atLeast(1, name)
  }
  await disturb(all)
  await Promise.all(all.map(listener => t.test(listener.name, () => receivesAgain(alice, listener))))
  return all
}
