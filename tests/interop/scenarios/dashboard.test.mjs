// The dashboard in a real Chromium, with a real server and real traffic behind it.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'

import {
  figures, openBrowser, openDashboard, overlaps, sticksOut, tabTo, tooFaint, untilDrawn, untilState, violations
} from '../support/browser.mjs'
import { Party, closeAll } from '../support/clients.mjs'
import { isThere, testWith } from '../support/needs.mjs'
import { TestServer } from '../support/server.mjs'
import { Traffic } from '../support/traffic.mjs'

const test = testWith('chromium')

let browser, server
before(async () => {
  if (!isThere('chromium')) return
  server = await TestServer.start()
  browser = await openBrowser()
})
afterEach(async () => {
  for (const context of browser?.contexts() ?? []) await context.close()
  await closeAll()
})
after(async () => {
  await browser?.close()
  if (server) assert.equal(await server.stop(), 0)
})

async function open (options, host = server.host) {
  const page = await openDashboard(browser, host, options)
  await untilState(page, 'Healthy')
  return page
}

/** It sent requests to its own server only, and logged no error. */
function assertQuiet (page, host = server.host) {
  assert.deepEqual([...page.asked], [host])
  assert.deepEqual(page.complaints, [])
}

/** A socket that stays open, and does not reconnect once it has ended. */
async function lonelySocket () {
  const party = new Party()
  const socket = party.socket(server.host, { reconnection: false })
  await new Promise(resolve => socket.on('authenticationSuccess', resolve) && socket.on('connect', () => socket.emit('authenticated', { identityKey: party.key })))
  const ended = new Promise(resolve => socket.on('disconnect', resolve))
  return { party, ended }
}

const rows = (page, table) => page.locator(`#${table} tr:has(td:not(.empty))`)

test('plots grow with the traffic', async () => {
  const page = await open()
  const traffic = await Traffic.start(server.host)
  try {
    for (const [title, line] of [
      ['Sockets', 'authenticated'], ['Events per second', 'in'], ['Events per second', 'out'], ['Deliveries per second', 'deliveries'],
      ['Ack latency', 'p50'], ['Ack latency', 'p99'], ['Commit latency', 'p95'], ['Memory', 'resident']
    ]) await untilDrawn(page, title, line)
    assert.equal((await figures(page, 'Sockets')).authenticated, 3)
    await page.locator('#facts div', { hasText: 'Messages stored' }).locator('dd', { hasText: /[1-9]/ }).waitFor()
    const label = await page.locator('.plot svg[role=img]').first().getAttribute('aria-label')
    assert.match(label, /^Sockets: authenticated 3, unauthenticated 0; highest in 2 minutes 3$/)
  } finally {
    await traffic.stop()
  }
  assertQuiet(page)
})

test('search filters rooms and sockets, and a room leads to its members', async () => {
  const traffic = await Traffic.start(server.host)
  await traffic.stop()
  const page = await open()
  const [one, other] = traffic.listeners
  const short = party => `${party.key.slice(0, 10)}…`
  await rows(page, 'rooms').filter({ hasText: short(one) }).waitFor()
  await rows(page, 'rooms').filter({ hasText: short(other) }).waitFor()
  // A part of the middle of the key, which the page does not show.
  await page.getByLabel(/^Search rooms/).fill(one.key.slice(20, 50))
  await rows(page, 'rooms').filter({ hasText: short(other) }).waitFor({ state: 'detached' })
  assert.equal(await rows(page, 'rooms').count(), 1)
  await page.getByLabel(/^Search sockets/).fill(other.key.slice(20, 50))
  await page.locator('#sockets-count', { hasText: '1 shown' }).waitFor()
  assert.match(await rows(page, 'sockets').innerText(), new RegExp(`${short(other)}\\s+websocket`))
  await page.getByLabel(/^Search sockets/).fill('nobody')
  await page.locator('#sockets .empty', { hasText: 'No socket matches.' }).waitFor()
  await page.getByRole('button', { name: `Members of room ${short(one)}-inbox` }).click()
  await page.locator('#sockets-count', { hasText: '1 shown of 1' }).waitFor()
  assert.match(await rows(page, 'sockets').innerText(), new RegExp(short(one)))
  await page.getByLabel('Full keys').check()
  await rows(page, 'sockets').filter({ hasText: one.key }).waitFor()
  assertQuiet(page)
})

test('a socket is ended by keyboard alone, and the focus is never lost', async () => {
  const { party, ended } = await lonelySocket()
  const { ended: untouched, party: beside } = await lonelySocket()
  const page = await open()
  await rows(page, 'sockets').filter({ hasText: party.key.slice(0, 10) }).waitFor()
  await tabTo(page, at => at?.id === 'sockets-search')
  await page.keyboard.type(party.key)
  await page.locator('#sockets-count', { hasText: '1 shown' }).waitFor()
  await tabTo(page, at => at?.name.startsWith('Disconnect socket'))
  await page.keyboard.press('Enter')
  await page.locator('#ask[open]').waitFor()
  // Escape leaves it, and the focus is back where it was.
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-label')?.startsWith('Disconnect socket'))
  await page.keyboard.press('Enter')
  await page.locator('#ask[open]').waitFor()
  if (await page.evaluate(() => document.activeElement.textContent) !== 'Disconnect') await tabTo(page, at => at?.name === 'Disconnect', 4)
  await page.keyboard.press('Enter')
  await ended
  await page.locator('#sockets .empty', { hasText: 'No socket matches.' }).waitFor()
  await page.waitForFunction(() => document.activeElement.id === 'sockets-search')
  // From there the keyboard leaves the page: no element traps it.
  const way = await tabTo(page, at => at === null)
  assert.ok(way.length > 0)
  assert.equal(await Promise.race([untouched, 'open']), 'open')
  await tabTo(page, at => at?.id === 'sockets-search')
  await page.keyboard.press('Control+A')
  await page.keyboard.type(beside.key)
  await page.locator('#sockets-count', { hasText: '1 shown' }).waitFor()
  assertQuiet(page)
})

test('the page shows a lost server, and continues when it is back', async () => {
  const page = await open()
  await page.evaluate(() => { window.sameDocument = true })
  await untilDrawn(page, 'Memory', 'resident')
  await server.kill()
  await page.getByText('The server does not answer.').waitFor()
  await untilState(page, 'Unreachable')
  assert.match(await page.title(), /^Unreachable · /)
  assert.match(await page.locator('#away').innerText(), /Last answer .* ago/)
  assert.deepEqual(await tooFaint(page), [])
  await server.launch()
  await untilState(page, 'Healthy')
  assert.equal(await page.locator('#away').isVisible(), false)
  assert.equal(await page.title(), 'MessageBox Router')
  assert.equal(await page.evaluate(() => window.sameDocument), true)
  // Live again, not just reachable: the plots continue after the gap.
  await page.waitForFunction(() => [...document.querySelectorAll('.chart')].some(chart =>
    [...chart.querySelectorAll('path:not(.area)')].some(path => (path.getAttribute('d') ?? '').split('M').filter(run => run.includes('L')).length > 1)))
  assert.deepEqual([...page.asked], [server.host])
  const other = page.complaints.filter(text => !/^Failed to load resource: net::ERR_/.test(text))
  assert.deepEqual(other, [])
})

test('colours are distinct in light and dark, and everything fits a phone', async () => {
  const { party } = await lonelySocket()
  const traffic = await Traffic.start(server.host, 1)
  await traffic.stop()
  for (const scheme of ['light', 'dark']) {
    for (const width of [360, 390, 768, 1280]) {
      const page = await open({ width, height: 740, scheme })
      await rows(page, 'sockets').filter({ hasText: party.key.slice(0, 10) }).waitFor()
      assert.deepEqual(await tooFaint(page), [], `${scheme}, ${width}`)
      assert.deepEqual(await sticksOut(page), [], `${scheme}, ${width}`)
      assert.deepEqual(await overlaps(page), [], `${scheme}, ${width}`)
      assert.deepEqual(await violations(page), [], `${scheme}, ${width}`)
      await page.getByLabel('Full keys').check()
      await rows(page, 'sockets').filter({ hasText: party.key }).waitFor()
      await page.getByRole('button', { name: /^Disconnect socket/ }).first().click()
      await page.locator('#ask[open]').waitFor()
      assert.deepEqual(await tooFaint(page), [], `${scheme}, ${width}, in full`)
      assert.deepEqual(await sticksOut(page), [], `${scheme}, ${width}, in full`)
      assert.deepEqual(await violations(page), [], `${scheme}, ${width}, in full`)
      await page.keyboard.press('Escape')
      assert.deepEqual(await overlaps(page), [], `${scheme}, ${width}, in full`)
      assertQuiet(page)
      await page.context().close()
    }
  }
})

test('the server gives sockets and rooms by pages', async () => {
  const sockets = await Promise.all(Array.from({ length: 60 }, () => lonelySocket()))
  const page = await open()
  const count = table => page.locator(`#${table}-count`)
  const seen = async table => await rows(page, table).evaluateAll(rows => rows.map(row => row.dataset.key))
  await count('sockets').filter({ hasText: /^50 shown of \d+, page 1$/ }).waitFor()
  const first = await seen('sockets')
  await page.getByRole('button', { name: 'Next page of sockets' }).click()
  await count('sockets').filter({ hasText: /^\d+ shown of \d+, page 2$/ }).waitFor()
  const second = await seen('sockets')
  assert.ok(first.length === 50 && second.length >= 10, `${first.length}, ${second.length}`)
  assert.ok(first.every(sid => !second.includes(sid)))
  // On the last page the focus moves to the remaining button.
  await page.waitForFunction(() => document.activeElement.id === 'sockets-previous')
  await page.keyboard.press('Enter')
  await count('sockets').filter({ hasText: 'page 1' }).waitFor()
  assert.deepEqual(await seen('sockets'), first)
  // The newest event refreshes the page that is shown, and no other.
  await page.getByLabel('Rooms to show').selectOption('all')
  await count('rooms').filter({ hasText: /shown of/ }).waitFor()
  await page.getByLabel(/^Search sockets/).fill(sockets[0].party.key)
  await count('sockets').filter({ hasText: /^1 shown$/ }).waitFor()
  assertQuiet(page)
})

test('the last 24 hours are shown, as the server has kept them', async () => {
  const page = await openDashboard(browser, server.host, { before: async page => {
    // Of a server that has run for a day.
    await page.route('**/admin/history', async route => {
      const history = await (await route.fetch()).json()
      const now = Math.floor(Date.now() / 1000)
      const minutes = Array.from({ length: 1440 }, (_, index) => now - (1440 - index) * 60)
      const series = Object.fromEntries(Object.keys(history.series).map(name => [name, minutes.map((_, index) => index % 7 === 3 ? null : index % 50)]))
      await route.fulfill({ json: { ...history, at: minutes, series } })
    })
  } })
  await untilState(page, 'Healthy')
  await page.getByLabel('Time range').selectOption('day')
  await untilDrawn(page, 'Memory', 'resident', 5)
  for (const [title, line] of [['Sockets', 'authenticated'], ['Ack latency', 'p99'], ['Queued', 'undelivered'], ['CPU', 'cores']]) {
    await untilDrawn(page, title, line, 5)
  }
  const label = await page.locator('.plot svg[role=img]').first().getAttribute('aria-label')
  assert.match(label, /highest in 24 hours 49$/)
  assert.deepEqual(await violations(page), [])
  await page.getByLabel('Time range').selectOption('live')
  await page.locator('.plot').first().getByText('2 minutes ago').waitFor()
  assertQuiet(page)
})

test('the page asks for the token where there is one', async () => {
  const guarded = await TestServer.start({ ADMIN_TOKEN: 'the token of an admin' })
  try {
    const page = await openDashboard(browser, guarded.host, { width: 390 })
    await page.getByText('Token needed').waitFor()
    await page.waitForFunction(() => document.activeElement.id === 'token')
    assert.deepEqual(await violations(page), [])
    await page.keyboard.type('another token than that')
    await page.keyboard.press('Enter')
    await page.getByText('Wrong token').waitFor()
    assert.deepEqual(await sticksOut(page), [])
    assert.deepEqual(await overlaps(page), [])
    await page.locator('#token').fill('the token of an admin')
    await page.keyboard.press('Enter')
    await untilState(page, 'Healthy')
    await untilDrawn(page, 'Memory', 'resident')
    assert.equal(await page.locator('#token').isVisible(), false)
    assert.deepEqual([...page.asked], [guarded.host])
    assert.deepEqual(page.complaints.filter(text => !text.includes('401')), [])
    await page.context().close()
  } finally {
    await guarded.stop()
  }
})
