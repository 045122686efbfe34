/** A table that reuses its rows, so that a focused button keeps the focus while the data changes. */
class Table {
  constructor (id, columns, key, empty) {
    this.body = byId(id)
    this.columns = columns
    this.key = key
    this.empty = empty
    const head = this.body.closest('table').tHead.rows[0]
    for (const { title, css } of columns) {
      const cell = made('th', css ?? '', head, title)
      cell.setAttribute('role', 'columnheader')
      cell.scope = 'col'
    }
  }

  fill (items) {
    const held = document.activeElement
    const heldRow = this.body.contains(held) ? [...this.body.rows].indexOf(held.closest('tr')) : -1
    const old = new Map([...this.body.rows].map(row => [row.dataset.key, row]))
    const rows = items.map(item => {
      const key = this.key(item)
      const row = old.get(key) ?? this.row(key)
      old.delete(key)
      row.item = item
      this.columns.forEach((column, index) => {
        const cell = row.cells[index]
        if (column.text) write(cell, column.text(item))
        if (column.mark) cell.classList.toggle('error', column.mark(item))
        if (column.name) cell.firstChild.setAttribute('aria-label', column.name(item))
      })
      return row
    })
    for (const row of old.values()) row.remove()
    if (rows.length === 0) rows.push(this.note(this.empty()))
    rows.forEach((row, index) => {
      if (this.body.rows[index] !== row) this.body.insertBefore(row, this.body.rows[index] ?? null)
    })
    if (heldRow >= 0 && document.activeElement !== held) this.focus(held, heldRow)
  }

  /** Restores the focus, or moves it to the row that took the place. */
  focus (held, index) {
    const beside = this.body.rows[Math.min(index, this.body.rows.length - 1)].querySelector('button')
    const target = this.body.contains(held) ? held : beside ?? this.body.closest('section').querySelector('input[type=search]')
    if (target) target.focus({ preventScroll: true })
  }

  row (key) {
    const row = document.createElement('tr')
    row.dataset.key = key
    row.setAttribute('role', 'row')
    for (const { title, css, action } of this.columns) {
      const cell = made('td', css ?? '', row)
      cell.setAttribute('role', 'cell')
      if (title && !action) cell.dataset.label = title
      if (action) {
        const button = made('button', '', cell, action.word)
        button.addEventListener('click', () => action.act(row.item))
      }
    }
    return row
  }

  /** A row with one sentence. */
  note (text) {
    const row = document.createElement('tr')
    row.setAttribute('role', 'row')
    const cell = made('td', 'empty', row, text)
    cell.setAttribute('role', 'cell')
    cell.colSpan = this.columns.length
    return row
  }

  say (text) {
    this.body.replaceChildren(this.note(text))
  }
}

/** A paged list of the server, with a search field. */
class List {
  constructor (id, table, ask) {
    this.id = id
    this.table = table
    this.ask = ask
    this.asked = 0
    this.search = byId(`${id}-search`)
    this.previous = byId(`${id}-previous`)
    this.next = byId(`${id}-next`)
    this.begin()
    let typed = null
    this.search.addEventListener('input', () => {
      this.begin()
      clearTimeout(typed)
      typed = setTimeout(() => this.refresh(), 200)
    })
    byId(`${id}-form`).addEventListener('submit', event => { event.preventDefault(); this.refresh() })
    this.next.addEventListener('click', () => { this.before.push(this.after); this.after = this.further; this.turn(this.next) })
    this.previous.addEventListener('click', () => { this.after = this.before.pop(); this.turn(this.previous) })
  }

  /** Starts again at the first page. */
  begin () {
    this.after = ''
    this.before = []
    this.further = null
  }

  /** Shows another page and keeps the focus on a visible button. */
  async turn (pressed) {
    await this.refresh()
    if (pressed.hidden) (pressed === this.next ? this.previous : this.next).focus()
  }

  get text () {
    return this.search.value.trim()
  }

  /** Responses may overtake each other: only that of the latest request is shown. */
  async refresh () {
    const turn = ++this.asked
    try {
      const { items, total, next } = await this.ask(this.text, this.after)
      if (turn !== this.asked) return
      this.table.fill(items)
      this.further = next
      const page = this.before.length > 0 || next ? `, page ${this.before.length + 1}` : ''
      write(byId(`${this.id}-count`), `${items.length} shown${total === null ? '' : ` of ${plain(total)}`}${page}`)
      this.previous.hidden = this.before.length === 0
      this.next.hidden = !next
    } catch (error) {
      // While the server is away, the list stays as it is.
      if (turn === this.asked && error instanceof Refused) this.table.say(error.message)
    }
  }
}

const PAGE = 50
const query = (text, after) => `full=true&limit=${PAGE}&contains=${encodeURIComponent(text)}&after=${encodeURIComponent(after)}`

const rooms = new List('rooms', new Table('rooms', [
  { title: 'Room', css: 'code', text: room => key(room.room) },
  { title: 'Members', css: 'tight', text: room => shown(room.members) },
  { title: 'Events, 5 min', css: 'tight', text: room => shown(room.recentEvents) },
  { title: 'Action', css: 'tight', action: { word: 'Members', act: room => showRoom(room.room) }, name: room => `Members of room ${key(room.room)}` }
], room => room.room, () => rooms.text ? 'No room matches.' : 'No rooms.'), async (text, after) => {
  if (text || byId('rooms-order').value === 'all') {
    const { rooms: items, next } = await ask(`rooms?${query(text, after)}`)
    return { items, next, total: text ? null : before?.status.rooms.rooms ?? null }
  }
  const { rooms: part } = await ask('status?full=true')
  if (part === 'unresponsive') throw new Refused('The rooms do not answer.')
  const known = new Map([...part.busiest, ...part.largest].map(room => [room.room, room]))
  const items = [...known.values()].sort((a, b) => (b.recentEvents ?? 0) - (a.recentEvents ?? 0) || b.members - a.members)
  return { items, next: null, total: Math.max(part.rooms, items.length) }
})
byId('rooms-order').addEventListener('change', () => { rooms.begin(); rooms.refresh() })

let room = null
const sockets = new List('sockets', new Table('sockets', [
  { title: 'Socket', css: 'code', text: socket => byId('full').checked && socket.address ? `${socket.sid} ${socket.address}` : socket.sid },
  { title: 'Identity', css: 'code', text: socket => socket.identity ? key(socket.identity) : 'unauthenticated' },
  { title: 'Transport', css: 'tight', text: socket => socket.transport },
  { title: 'Age', css: 'tight', text: socket => duration(socket.openSeconds) },
  { title: 'Buffered', css: 'tight', text: socket => bytes(socket.outboundBytes) },
  { title: 'Action', css: 'tight', action: { word: 'Disconnect', act: socket => disconnect(socket) }, name: socket => `Disconnect socket ${socket.sid}` }
], socket => socket.sid, () => sockets.text || room ? 'No socket matches.' : 'No sockets.'), async (text, after) => {
  if (room) {
    const { members: items, next, room: { members } } = await ask(`rooms/${encodeURIComponent(room)}?${query(text, after)}`)
    return { items, next, total: text ? null : members }
  }
  const { sockets: items, next } = await ask(`sockets?${query(text, after)}`)
  return { items, next, total: text ? null : before?.status.sockets.open ?? null }
})

const log = new Table('log', [
  { title: 'Time (UTC)', css: 'tight', text: line => line.ts.slice(0, 19).replace('T', ' ') },
  { title: 'Level', css: 'tight', text: line => line.level, mark: line => line.level === 'ERROR' },
  { title: 'Message', text: line => key(line.message) }
], line => `${line.ts} ${line.target} ${line.message}`, () => 'None since start.')

function showRoom (id) {
  room = id
  sockets.begin()
  sockets.search.value = ''
  const chip = byId('sockets-room')
  chip.textContent = `In ${key(id)} ✕`
  chip.setAttribute('aria-label', `Sockets in room ${key(id)}: show all sockets again`)
  chip.hidden = false
  chip.focus()
  sockets.refresh()
}

byId('sockets-room').addEventListener('click', () => {
  room = null
  sockets.begin()
  byId('sockets-room').hidden = true
  sockets.search.focus()
  sockets.refresh()
})
byId('full').addEventListener('change', () => { rooms.refresh(); sockets.refresh() })

function disconnect (socket) {
  const dialog = byId('ask')
  byId('ask-what').textContent = `Disconnect socket ${socket.sid}${socket.identity ? ` of ${key(socket.identity)}` : ''}?`
  dialog.returnValue = 'no'
  dialog.addEventListener('close', async () => {
    if (dialog.returnValue !== 'yes') return
    try {
      await ask(`sockets/${encodeURIComponent(socket.sid)}/disconnect`, 'POST')
      mention(`Socket ${socket.sid} was disconnected.`)
    } catch (error) {
      mention(error instanceof Refused ? error.message : 'The server does not answer.')
    }
    sockets.refresh()
  }, { once: true })
  dialog.showModal()
}
