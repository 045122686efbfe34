/** The stream says something every second; after so much silence it is given up. */
const SILENCE = 5_000
const AGAIN = 1_000
/** Lists are asked for at each so many events. */
const LISTS_EVERY = 3

let before = null
let heard = Date.now()
let everHeard = false
let count = 0

function sum (counts) {
  return Object.values(counts).reduce((total, value) => total + value, 0)
}

function facts (status) {
  const { server, sockets, events, http, database, sessions, push, payments, process } = status
  const named = {
    'Identity key': key(server.identityKey),
    'Up for': duration(server.uptimeSeconds),
    Workers: server.workers,
    'Sockets, of at most': `${plain(sockets.open)} of ${plain(sockets.max)}`,
    'Websocket, polling': `${plain(sockets.websocket)}, ${plain(sockets.polling)}`,
    Identities: plain(sockets.identities),
    'Messages stored': plain(database.stored),
    'Messages acknowledged to senders': plain(events.acks),
    'Writes in a commit, p50 and most': `${plain(database.groupSize.p50)} and ${plain(database.groupSize.max)}`,
    'Idle connections of the pool': `${database.idleConnections} of ${database.connections}`,
    'HTTP sessions, lost sockets': `${plain(sessions.http)}, ${plain(sessions.lost)}`,
    'Handshakes, HTTP and sockets': `${plain(status.handshakes.http)}, ${plain(status.handshakes.sockets)}`,
    'Messages refused': plain(sum(events.failures)),
    'Frames refused': plain(events.refusedFrames),
    'Replays refused': plain(sessions.replaysRefused),
    'Slow readers cut off': plain(sockets.slowReadersCut),
    'Failed writes': plain(database.failures),
    'Payments taken, refused': `${plain(payments.checked)}, ${plain(payments.refused)}`,
    Panics: plain(status.panics)
  }
  if (push) named['Notified, failed, waiting'] = `${plain(push.sent)}, ${plain(push.failed)}, ${plain(push.pending)}`
  if (process) named['Threads, open files'] = `${process.threads}, ${plain(process.openFiles)}`
  for (const [code, times] of Object.entries(http.failures)) named[code] = plain(times)
  for (const [reason, times] of Object.entries(sockets.ended)) {
    if (times > 0) named[`Sockets ended: ${reason.replaceAll('_', ' ')}`] = plain(times)
  }
  return named
}

/** Whatever there is to say of other nodes, in words. */
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

function state (text, bad) {
  write(byId('state'), text)
  byId('state').className = bad ? 'bad' : ''
  document.title = `${bad ? `${text} · ` : ''}MessageBox Router`
}

function present ({ status, recent, log: lines }) {
  heard = Date.now()
  everHeard = true
  byId('away').hidden = true
  document.body.classList.remove('stale')
  const { server } = status
  const wrong = [...(server.notReady ?? ['health'])]
  if (status.rooms === 'unresponsive') wrong.push('rooms unresponsive')
  if (status.database.executor !== 'answers') wrong.push(`database ${status.database.executor}`)
  state(server.draining ? 'going down' : wrong.length > 0 ? `not in order: ${wrong.join(', ')}` : 'in order', server.draining || wrong.length > 0)
  write(byId('about'), `${server.version} · ${server.environment} · up ${duration(server.uptimeSeconds)}`)
  const now = { at: heard, status, recent }
  for (const plot of plots) {
    plot.add(now, before)
    plot.draw(heard)
  }
  before = now
  describe('facts', Object.entries(facts(status)))
  byId('cluster').hidden = status.cluster === null
  describe('cluster-facts', flat(status.cluster ?? {}))
  log.fill(lines.slice().reverse())
  if (count++ % LISTS_EVERY === 0) {
    rooms.refresh()
    sockets.refresh()
  }
}

function gone (error) {
  if (before) {
    for (const plot of plots) plot.miss(Date.now())
  }
  before = null
  const refused = error instanceof Refused
  state(refused ? error.message : 'away', true)
  byId('away').hidden = refused
  if (refused) return
  document.body.classList.add('stale')
  write(byId('away-what'), 'The server has gone away.')
  tell()
}

/** The plots go on while nothing comes, so that the gap is seen. */
function tell () {
  const now = Date.now()
  const since = everHeard ? `Last heard ${duration(Math.round((now - heard) / 1000))} ago. ` : ''
  write(byId('away-since'), `${since}What is below is from then. This page tries again every second and goes on by itself.`)
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
    if (closed) throw new Refused(token ? 'this token does not open' : 'a token is needed')
    if (!answer.ok) throw new Refused(`refused: ${answer.status}`)
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

byId('enter').addEventListener('submit', event => {
  event.preventDefault()
  token = byId('token').value.trim()
  sessionStorage.setItem('token', token)
  byId('token').value = ''
})
setInterval(() => { if (!byId('away').hidden) tell() }, 1_000)

async function keepListening () {
  for (;;) {
    await listen()
    await new Promise(resolve => setTimeout(resolve, AGAIN))
  }
}
keepListening()
