// A real Chromium, and the checks of the dashboard in it.

import axe from 'axe-core'
import { chromium } from 'playwright-core'

import { findChromium } from './needs.mjs'

/** The time limit of each call to the browser, on a busy machine. */
export const DEADLINE = 30_000

export async function openBrowser () {
  const executablePath = findChromium()
  if (!executablePath) throw new Error('chromium is not there: apt-get install chromium, or name one in CHROMIUM')
  // The user-data folder is a new one, and goes with the browser.
  return await chromium.launch({
    executablePath,
    timeout: 60_000,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'
    ]
  })
}

/** The dashboard in its own tab. Records its errors and requests. `before` gets the tab first. */
export async function openDashboard (browser, host, { width = 1280, height = 900, scheme = 'light', scale = 1, before = async () => {} } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, deviceScaleFactor: scale })
  context.setDefaultTimeout(DEADLINE)
  const page = await context.newPage()
  page.complaints = []
  page.asked = new Set()
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) page.complaints.push(message.text()) })
  page.on('pageerror', error => page.complaints.push(String(error)))
  page.on('request', request => page.asked.add(new URL(request.url()).origin))
  await before(page)
  await page.goto(`${host}/admin/`)
  return page
}

/** Waits until the page shows the expected state of the server. */
export async function untilState (page, text) {
  await page.locator('#state', { hasText: text }).waitFor()
}

/** The numbers beside the names of a plot's lines, or null where there is none. */
export async function figures (page, title) {
  return await page.locator('.plot', { hasText: title }).first().evaluate(plot => Object.fromEntries(
    [...plot.querySelectorAll('.key li')].map(item => {
      const value = parseFloat(item.querySelector('b').textContent)
      return [item.querySelector('span').textContent, Number.isNaN(value) ? null : value]
    })))
}

/** Waits until a line of a plot has been above zero for so many points that hang together. */
export async function untilDrawn (page, title, line, points = 2) {
  await page.waitForFunction(({ title, line, points }) => {
    const plot = [...document.querySelectorAll('.plot')].find(plot => plot.querySelector('figcaption').textContent.startsWith(title))
    const index = [...plot.querySelectorAll('.key li')].findIndex(item => item.querySelector('span').textContent === line)
    const path = plot.querySelectorAll('.chart path:not(.area)')[index].getAttribute('d') ?? ''
    const longest = path.split('M').map(run => run.split('L').filter(point => Number(point.split(',')[1]) < 99).length)
    return Math.max(...longest) >= points
  }, { title, line, points })
}

/** Every text, control and line with too little contrast: WCAG 2.2 AA, 4.5 for texts and 3 for the rest. */
export async function tooFaint (page) {
  return await page.evaluate(() => {
    const channels = color => {
      const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number)
      return { rgb: [r, g, b], a }
    }
    const luminance = rgb => {
      const [r, g, b] = rgb.map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const ratio = (one, other) => {
      const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b)
      return (high + 0.05) / (low + 0.05)
    }
    const behind = element => {
      for (let at = element; at; at = at.parentElement) {
        const { rgb, a } = channels(getComputedStyle(at).backgroundColor)
        if (a === 1) return rgb
        if (a > 0) throw new Error(`${at.tagName} is half transparent`)
      }
      return [255, 255, 255]
    }
    const found = []
    const check = (element, what, color, background, least) => {
      const measured = ratio(channels(color).rgb, background)
      if (measured < least) found.push(`${what} of ${element.tagName}#${element.id}.${element.getAttribute('class')}: ${measured.toFixed(2)} of ${least}`)
    }
    let texts = 0
    for (const element of document.querySelectorAll('body *')) {
      if (!element.checkVisibility()) continue
      const style = getComputedStyle(element)
      const hasText = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim() !== '')
      if (hasText && element.tagName !== 'SCRIPT') {
        texts++
        check(element, 'text', style.color, behind(element), 4.5)
      }
      if (element.matches('input, button, select')) check(element, 'border', style.borderTopColor, behind(element.parentElement), 3)
      if (element.matches('input[placeholder]')) check(element, 'placeholder', getComputedStyle(element, '::placeholder').color, behind(element), 4.5)
      if (element.matches('path:not(.area)')) check(element, 'line', style.stroke, behind(element.closest('.plot')), 3)
    }
    if (texts < 50) found.push(`only ${texts} texts were looked at`)
    return found
  })
}

/** Everything that sticks out of the window or of the list that it is in. */
export async function sticksOut (page) {
  return await page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const found = []
    if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide`)
    for (const element of document.querySelectorAll('body *')) {
      // The heads of tables are for screen readers.
      if (!element.checkVisibility() || element.closest('thead, .chart svg')) continue
      const { left, right } = element.getBoundingClientRect()
      const name = `${element.tagName}#${element.id}.${element.getAttribute('class')}`
      if (left < 0 || right > width) found.push(`${name}: ${left} to ${right} of ${width}`)
      if (element.matches('.list') && element.scrollWidth > element.clientWidth) found.push(`${name} scrolls sideways`)
    }
    return found
  })
}

/** What axe finds wrong, by its rules and by those that are good practice. */
export async function violations (page) {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() => window.axe.run())
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`))
}

/** Texts and controls that lie over each other. */
export async function overlaps (page) {
  return await page.evaluate(() => {
    const found = []
    const boxes = []
    for (const element of document.querySelectorAll('body *')) {
      if (!element.checkVisibility() || element.closest('thead, svg, script, style, .unseen, dialog, #said')) continue
      const list = element.closest('.list')
      const { left, right, top, bottom } = element.getBoundingClientRect()
      if (element.matches('input, button, select, svg')) boxes.push({ element, left, right, top, bottom, list })
      for (const node of element.childNodes) {
        if (node.nodeType !== Node.TEXT_NODE || node.data.trim() === '') continue
        const text = document.createRange()
        text.selectNodeContents(node)
        for (const { left, right, top, bottom } of text.getClientRects()) boxes.push({ element, left, right, top, bottom, list })
      }
    }
    // Elements scrolled out of a list are not visible.
    const seen = boxes.filter(({ list, top, bottom }) => {
      if (!list) return true
      const edge = list.getBoundingClientRect()
      return top >= edge.top && bottom <= edge.bottom
    })
    for (const [index, one] of seen.entries()) {
      for (const other of seen.slice(index + 1)) {
        if (one.element.contains(other.element) || other.element.contains(one.element)) continue
        const width = Math.min(one.right, other.right) - Math.max(one.left, other.left)
        const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top)
        // The boxes of two lines touch.
        if (width > 1 && height > 3) found.push(`${one.element.textContent.slice(0, 60)} and ${other.element.textContent.slice(0, 60)}`)
      }
    }
    if (seen.length < 5) found.push(`only ${seen.length} boxes were looked at`)
    return found
  })
}

/** Presses Tab until this is focused, and returns the elements before it. Each focused element must show its focus. */
export async function tabTo (page, isThere, most = 80) {
  const way = []
  for (let step = 0; step < most; step++) {
    await page.keyboard.press('Tab')
    const at = await page.evaluate(() => {
      const element = document.activeElement
      if (element === document.body || element === null) return null
      const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element)
      const { top, bottom, width } = element.getBoundingClientRect()
      return {
        name: element.getAttribute('aria-label') ?? element.textContent.trim(),
        id: element.id,
        shows: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && outlineColor !== 'rgba(0, 0, 0, 0)',
        seen: width > 0 && top < innerHeight && bottom > 0
      }
    })
    way.push(at)
    if (at && !(at.shows && at.seen)) throw new Error(`the focus is not to be seen: ${JSON.stringify(at)}`)
    if (isThere(at)) return way
  }
  throw new Error(`not reached by ${most} tabs: ${JSON.stringify(way)}`)
}
