// The dashboard in a real Chromium, with a real server and real traffic behind it.

import assert from 'node:assert/strict'
import { after, afterEach, before } from 'node:test'

import { figures, openBrowser, openDashboard, sticksOut, tabTo, tooFaint, untilDrawn, untilState } from '../support/browser.mjs'
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
  await untilState(page, 'in order')
  return page
}

/** It asked its own server only and had nothing to complain of. */
function assertQuiet (page, host = server.host) {
  assert.deepEqual([...page.asked], [host])
  assert.deepEqual(page.complaints, [])
}

/** A socket that stays as it is, and does not come back once it has ended. */
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
      ['Sockets', 'proven'], ['Events in a second', 'in'], ['Events in a second', 'out'], ['Deliveries in a second', 'deliveries'],
      ['Message to answer', 'p50'], ['Message to answer', 'p99'], ['Commit', 'p95'], ['Memory', 'resident']
    ]) await untilDrawn(page, title, line)
    assert.equal((await figures(page, 'Sockets')).proven, 3)
    await page.locator('#facts div', { hasText: 'Messages stored' }).locator('dd', { hasText: /[1-9]/ }).waitFor()
    const label = await page.locator('.plot svg[role=img]').first().getAttribute('aria-label')
    assert.match(label, /^Sockets: proven 3, unproven 0; highest in two minutes 3$/)
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
  // A part from the middle, which is not shown.
  await page.getByLabel(/^Search rooms/).fill(one.key.slice(20, 50))
  await rows(page, 'rooms').filter({ hasText: short(other) }).waitFor({ state: 'detached' })
  assert.equal(await rows(page, 'rooms').count(), 1)
  await page.getByLabel(/^Search sockets/).fill(other.key.slice(20, 50))
  await page.locator('#sockets-count', { hasText: '1 found' }).waitFor()
  assert.match(await rows(page, 'sockets').innerText(), new RegExp(`${short(other)}\\s+websocket`))
  await page.getByLabel(/^Search sockets/).fill('nobody')
  await page.locator('#sockets .empty', { hasText: 'No socket matches.' }).waitFor()
  await page.getByRole('button', { name: `Members of room ${short(one)}-inbox` }).click()
  await page.locator('#sockets-count', { hasText: '1 of 1 members' }).waitFor()
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
  await page.locator('#sockets-count', { hasText: '1 found' }).waitFor()
  await tabTo(page, at => at?.name.startsWith('End socket'))
  await page.keyboard.press('Enter')
  await page.locator('#ask[open]').waitFor()
  // Escape leaves it, and the focus is back where it was.
  await page.keyboard.press('Escape')
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-label')?.startsWith('End socket'))
  await page.keyboard.press('Enter')
  await page.locator('#ask[open]').waitFor()
  if (await page.evaluate(() => document.activeElement.textContent) !== 'End it') await tabTo(page, at => at?.name === 'End it', 4)
  await page.keyboard.press('Enter')
  await ended
  await page.locator('#sockets .empty', { hasText: 'No socket matches.' }).waitFor()
  await page.waitForFunction(() => document.activeElement.id === 'sockets-search')
  // From there the keyboard leads out of the page: nothing holds it.
  const way = await tabTo(page, at => at === null)
  assert.ok(way.length > 0)
  assert.equal(await Promise.race([untouched, 'open']), 'open')
  await tabTo(page, at => at?.id === 'sockets-search')
  await page.keyboard.press('Control+A')
  await page.keyboard.type(beside.key)
  await page.locator('#sockets-count', { hasText: '1 found' }).waitFor()
  assertQuiet(page)
})

test('a server that goes away is said to have, and the page goes on when it is back', async () => {
  const page = await open()
  await page.evaluate(() => { window.sameDocument = true })
  await untilDrawn(page, 'Memory', 'resident')
  await server.kill()
  await page.getByText('The server has gone away.').waitFor()
  await untilState(page, 'away')
  assert.match(await page.title(), /^away · /)
  assert.match(await page.locator('#away').innerText(), /Last heard .* ago/)
  assert.deepEqual(await tooFaint(page), [])
  await server.launch()
  await untilState(page, 'in order')
  assert.equal(await page.locator('#away').isVisible(), false)
  assert.equal(await page.title(), 'MessageBox Router')
  assert.equal(await page.evaluate(() => window.sameDocument), true)
  // Live again, not just reached: the plots go on behind the gap.
  await page.waitForFunction(() => [...document.querySelectorAll('.chart')].some(chart =>
    [...chart.querySelectorAll('path:not(.area)')].some(path => (path.getAttribute('d') ?? '').split('M').filter(run => run.includes('L')).length > 1)))
  assert.deepEqual([...page.asked], [server.host])
  const other = page.complaints.filter(text => !/^Failed to load resource: net::ERR_/.test(text))
  assert.deepEqual(other, [])
})

test('colours are told apart in light and dark, and nothing sticks out of a phone', async () => {
  const { party } = await lonelySocket()
  const traffic = await Traffic.start(server.host, 1)
  await traffic.stop()
  for (const scheme of ['light', 'dark']) {
    for (const width of [360, 768, 1280]) {
      const page = await open({ width, height: 740, scheme })
      await rows(page, 'sockets').filter({ hasText: party.key.slice(0, 10) }).waitFor()
      assert.deepEqual(await tooFaint(page), [], `${scheme}, ${width}`)
      assert.deepEqual(await sticksOut(page), [], `${scheme}, ${width}`)
      await page.getByLabel('Full keys').check()
      await rows(page, 'sockets').filter({ hasText: party.key }).waitFor()
      await page.getByRole('button', { name: /^End socket/ }).first().click()
      await page.locator('#ask[open]').waitFor()
      assert.deepEqual(await tooFaint(page), [], `${scheme}, ${width}, in full`)
      assert.deepEqual(await sticksOut(page), [], `${scheme}, ${width}, in full`)
      assertQuiet(page)
      await page.context().close()
    }
  }
})

test('the page asks for the token where there is one', async () => {
  const guarded = await TestServer.start({ ADMIN_TOKEN: 'the token of an admin', PUBLIC_DASHBOARD: 'true' })
  try {
    const page = await openDashboard(browser, guarded.host, { width: 360 })
    await page.getByText('a token is needed').waitFor()
    await page.waitForFunction(() => document.activeElement.id === 'token')
    await page.keyboard.type('another token than that')
    await page.keyboard.press('Enter')
    await page.getByText('this token does not open').waitFor()
    assert.deepEqual(await sticksOut(page), [])
    await page.locator('#token').fill('the token of an admin')
    await page.keyboard.press('Enter')
    await untilState(page, 'in order')
    await untilDrawn(page, 'Memory', 'resident')
    assert.equal(await page.locator('#token').isVisible(), false)
    assert.deepEqual([...page.asked], [guarded.host])
    assert.deepEqual(page.complaints.filter(text => !text.includes('401')), [])
    await page.context().close()
  } finally {
    await guarded.stop()
  }
})
