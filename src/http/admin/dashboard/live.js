/** The stream sends an event every second. After 5 s without one the page reconnects. */
const SILENCE = 5_000
const AGAIN = 1_000
/** The lists are refreshed after this number of events. */
const LISTS_EVERY = 3
/** The server adds a point to its history every minute. */
const HISTORY_EVERY = 60_000

let before = null
let heard = Date.now()
let everHeard = false
let count = 0
let remembered = 0

function sum (counts) {
  return Object.values(counts).reduce((total, value) => total + value, 0)
}

function facts (status) {
  const { server, sockets, events, http, database, sessions, push, payments, process } = status
  const named = {
    'Identity key': key(server.identityKey),
    Uptime: duration(server.uptimeSeconds),
    Workers: server.workers,
    'Sockets (open / max)': `${plain(sockets.open)} / ${plain(sockets.max)}`,
    'Transports (websocket / polling)': `${plain(sockets.websocket)} / ${plain(sockets.polling)}`,
    Identities: plain(sockets.identities),
    'Messages stored': plain(database.stored),
    'Messages acknowledged': plain(events.acks),
    'Writes per commit (p50 / max)': `${plain(database.groupSize.p50)} / ${plain(database.groupSize.max)}`,
    'Pool connections (idle / total)': `${database.idleConnections} / ${database.connections}`,
    'Sessions (HTTP / lost sockets)': `${plain(sessions.http)} / ${plain(sessions.lost)}`,
    'Handshakes (HTTP / sockets)': `${plain(status.handshakes.http)} / ${plain(status.handshakes.sockets)}`,
    'Messages refused': plain(sum(events.failures)),
    'Frames refused': plain(events.refusedFrames),
    'Replays refused': plain(sessions.replaysRefused),
    'Slow consumers disconnected': plain(sockets.slowReadersCut),
    'Failed writes': plain(database.failures),
    'Payments (accepted / refused)': `${plain(payments.checked)} / ${plain(payments.refused)}`,
    Panics: plain(status.panics)
  }
  if (push) named['Push (sent / failed / queued)'] = `${plain(push.sent)} / ${plain(push.failed)} / ${plain(push.pending)}`
  if (process) named['Threads / open files'] = `${process.threads} / ${plain(process.openFiles)}`
  for (const [code, times] of Object.entries(http.failures)) named[code] = plain(times)
  for (const [reason, times] of Object.entries(http.connectionErrors ?? {})) named[`Bad connections: ${reason.replaceAll('_', ' ')}`] = plain(times)
  for (const [reason, times] of Object.entries(sockets.ended)) {
    if (times > 0) named[`Sockets closed: ${reason.replaceAll('_', ' ')}`] = plain(times)
  }
  return named
}

/** Every value in an object, with its path as words. */
function flat (value, path = '') {
  if (value === null || typeof value !== 'object') return [[path, String(value ?? '–')]]
  return Object.entries(value).flatMap(([name, inner]) => {
    const words = Array.isArray(value) ? `${Number(name) + 1}` : name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
    return flat(inner, path ? `${path} ${words}` : words)
  })
}

function describe (id, named) {
  const list = byId(id)
  const known = new Map([...list.children].map(entry => [entry.firstChild.textContent, entry]))
  for (const [name, value] of named) {
    let entry = known.get(name)
    if (!entry) {
      entry = made('div', '', list)
      made('dt', '', entry, name)
      made('dd', '', entry)
    }
    known.delete(name)
    write(entry.lastChild, value)
  }
  for (const entry of known.values()) entry.remove()
}

/** `level`: empty, `warn` or `bad`. */
function state (text, level = '') {
  write(byId('state'), text)
  byId('state').className = level
  document.title = `${level ? `${text} · ` : ''}MessageBox Router`
}

/** The server's health in one phrase, with the names that /readyz uses. */
function health (status) {
  const { server } = status
  const wrong = [...(server.notReady ?? ['health'])]
  if (status.rooms === 'unresponsive') wrong.push('rooms unresponsive')
  if (status.database.executor !== 'answers') wrong.push(`database ${status.database.executor}`)
  if (server.draining) return ['Draining', 'bad']
  if (wrong.length > 0) return [`Not ready: ${wrong.join(', ')}`, 'bad']
  if (server.degraded.length > 0) return [`Degraded: ${server.degraded.join(', ')}`, 'warn']
  return ['Healthy']
}

function explain ({ reasons }) {
  const why = byId('reasons')
  const entries = Object.entries(reasons)
  why.hidden = entries.length === 0
  why.className = byId('state').className
  describe('reasons-list', entries)
}

function present ({ status, recent, log: lines }) {
  heard = Date.now()
  everHeard = true
  byId('away').hidden = true
  document.body.classList.remove('stale')
  const { server } = status
  state(...health(status))
  explain(server)
  write(byId('about'), `${server.version} · ${server.environment} · up ${duration(server.uptimeSeconds)}`)
  const now = { at: heard, status, recent }
  for (const plot of plots) {
    plot.add(now, before)
    if (range === RANGES.live) plot.draw(heard)
  }
  before = now
  if (range === RANGES.day && heard - remembered >= HISTORY_EVERY) remember()
  describe('facts', Object.entries(facts(status)))
  byId('cluster').hidden = status.cluster === null
  describe('cluster-facts', flat(status.cluster ?? {}))
  log.fill(lines.slice().reverse())
  if (count++ % LISTS_EVERY === 0) {
    rooms.refresh()
    sockets.refresh()
  }
}

/** Loads the last 24 hours and shows them. */
async function remember () {
  remembered = Date.now()
  try {
    const history = await ask('history')
    for (const plot of plots) {
      plot.remember(history)
      plot.draw()
    }
  } catch (error) {
    // Try again soon. The banner shows that the server is away.
    remembered = 0
    if (error instanceof Refused) mention(error.message)
  }
}

byId('range').addEventListener('change', event => {
  range = RANGES[event.target.value]
  for (const plot of plots) plot.draw()
  if (range === RANGES.day) remember()
})

function gone (error) {
  if (before) {
    for (const plot of plots) plot.miss(Date.now())
  }
  before = null
  const refused = error instanceof Refused
  state(refused ? error.message : 'Unreachable', 'bad')
  byId('reasons').hidden = true
  byId('away').hidden = refused
  if (refused) return
  write(byId('away-what'), 'The server does not answer.')
  document.body.classList.add('stale')
  tell()
}

/** Redraws the plots without data, so that the gap is visible. */
function tell () {
  const now = Date.now()
  const since = everHeard ? `Last answer ${duration(Math.round((now - heard) / 1000))} ago. ` : ''
  write(byId('away-since'), `${since}The data below is from then. This page retries every second.`)
  for (const plot of plots) plot.draw(now)
}

async function listen () {
  const stop = new AbortController()
  let came = Date.now()
  const watch = setInterval(() => { if (Date.now() - came > SILENCE) stop.abort() }, 500)
  try {
    const answer = await fetch('events', { headers: headers(), cache: 'no-store', signal: stop.signal })
    const closed = answer.status === 401 || answer.status === 404
    const appears = closed && byId('door').hidden
    byId('door').hidden = !closed
    byId('main').hidden = closed
    if (appears) byId('token').focus()
    if (closed) throw new Refused(token ? 'Wrong token' : 'Token needed')
    if (!answer.ok) throw new Refused(`Refused: ${answer.status}`)
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let text = ''; ;) {
      const { value, done } = await reader.read()
      if (done) throw new Error('the stream has ended')
      came = Date.now()
      text += value
      const events = text.split('\n\n')
      text = events.pop()
      for (const event of events) {
        if (event.startsWith('data: ')) present(JSON.parse(event.slice(6)))
      }
    }
  } catch (error) {
    gone(error)
  } finally {
    clearInterval(watch)
    stop.abort()
  }
}

let knock = () => {}
byId('enter').addEventListener('submit', event => {
  event.preventDefault()
  token = byId('token').value.trim()
  sessionStorage.setItem('token', token)
  byId('token').value = ''
  knock()
})
setInterval(() => { if (!byId('away').hidden) tell() }, 1_000)

async function keepListening () {
  for (;;) {
    await listen()
    await new Promise(resolve => { knock = resolve; setTimeout(resolve, AGAIN) })
  }
}
keepListening()
