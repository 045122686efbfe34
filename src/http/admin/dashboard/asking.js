'use strict'

const byId = id => document.getElementById(id)

/** Writes a text only if it changed, so that a selection stays. */
function write (element, text) {
  const wanted = String(text)
  if (element.textContent !== wanted) element.textContent = wanted
}

const KEYS = /[0-9a-f]{66,}/g
/** Shortens identity keys in a text, unless they are shown in full. */
const key = text => byId('full').checked ? text : text.replace(KEYS, found => `${found.slice(0, 10)}…`)

function duration (seconds) {
  const parts = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]
  const first = parts.findIndex(([, size]) => seconds >= size)
  if (first < 0) return '0 s'
  let rest = seconds
  return parts.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return `${count} ${unit}`
  }).join(' ')
}

let forgetting = null
/** Shows a message for 6 seconds. Screen readers read it. */
function mention (text) {
  byId('said').textContent = text
  clearTimeout(forgetting)
  forgetting = setTimeout(() => { byId('said').textContent = '' }, 6_000)
}

/** The server refused a request. */
class Refused extends Error {}

// Session storage ends with the tab.
let token = sessionStorage.getItem('token') ?? ''
const headers = () => token ? { authorization: `Bearer ${token}` } : {}

async function ask (path, method = 'GET') {
  const answer = await fetch(path, { method, headers: headers(), cache: 'no-store', signal: AbortSignal.timeout(5_000) })
  const body = await answer.json()
  if (!answer.ok) throw new Refused(body.description ?? `refused: ${answer.status}`)
  return body
}
