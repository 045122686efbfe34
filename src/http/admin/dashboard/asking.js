'use strict'

const byId = id => document.getElementById(id)

/** Only what changed is written, so that a selection in the text stays. */
function write (element, text) {
  const wanted = String(text)
  if (element.textContent !== wanted) element.textContent = wanted
}

const KEYS = /[0-9a-f]{66,}/g
/** A text whose identity keys are cut short, unless they are wanted in full. */
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
/** Says something for a while, also to those who do not see it. */
function mention (text) {
  byId('said').textContent = text
  clearTimeout(forgetting)
  forgetting = setTimeout(() => { byId('said').textContent = '' }, 6_000)
}

/** The server answers, and says no. */
class Refused extends Error {}

// A tab's storage ends with it.
let token = sessionStorage.getItem('token') ?? ''
const headers = () => token ? { authorization: `Bearer ${token}` } : {}

async function ask (path, method = 'GET') {
  const answer = await fetch(path, { method, headers: headers(), cache: 'no-store', signal: AbortSignal.timeout(5_000) })
  const body = await answer.json()
  if (!answer.ok) throw new Refused(body.description ?? `refused: ${answer.status}`)
  return body
}
