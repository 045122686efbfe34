/** A table whose rows stay who they are: what has the focus keeps it while everything around changes. */
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

  /** Where the focus was, or at what took its place. */
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

  /** One row for a sentence. */
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

/** A list that is asked for, filtered by what is typed, with more of it on demand. */
class List {
  constructor (id, table, ask) {
    this.id = id
    this.table = table
    this.ask = ask
    this.limit = PAGE
    this.asked = 0
    this.search = byId(`${id}-search`)
    this.more = byId(`${id}-more`)
    let typed = null
    this.search.addEventListener('input', () => {
      this.limit = PAGE
      clearTimeout(typed)
      typed = setTimeout(() => this.refresh(), 200)
    })
    byId(`${id}-form`).addEventListener('submit', event => { event.preventDefault(); this.refresh() })
    this.more.addEventListener('click', () => { this.limit = Math.min(this.limit + PAGE, MOST); this.refresh() })
  }

  get text () {
    return this.search.value.trim()
  }

  /** Answers may overtake each other; the latest question counts. */
  async refresh () {
    const turn = ++this.asked
    try {
      const { items, count, more } = await this.ask(this.text, this.limit)
      if (turn !== this.asked) return
      this.table.fill(items)
      write(byId(`${this.id}-count`), count)
      this.more.hidden = !more || this.limit >= MOST
    } catch (error) {
      // What was shown stays while the server is away: the page says so elsewhere.
      if (turn === this.asked && error instanceof Refused) this.table.say(error.message)
    }
  }
}

const PAGE = 50
const MOST = 1000

const rooms = new List('rooms', new Table('rooms', [
  { title: 'Room', css: 'code', text: room => key(room.room) },
  { title: 'Members', css: 'tight', text: room => shown(room.members) },
  { title: 'Events lately', css: 'tight', text: room => shown(room.recentEvents) },
  { title: '', css: 'tight', action: { word: 'Members', act: room => showRoom(room.room) }, name: room => `Members of room ${key(room.room)}` }
], room => room.room, () => rooms.text ? 'No room matches.' : 'Nobody has joined a room.'), async (text, limit) => {
  if (text) {
    const list = await ask(`rooms?full=true&limit=${limit}&contains=${encodeURIComponent(text)}`)
    return { items: list.rooms, count: `${list.rooms.length}${list.next ? ' and more' : ''} found`, more: list.next }
  }
  // Without a search those that matter: the busiest, then the largest.
  const { rooms: part } = await ask('status?full=true')
  if (part === 'unresponsive') throw new Refused('The rooms do not answer.')
  const known = new Map([...part.busiest, ...part.largest].map(room => [room.room, room]))
  const items = [...known.values()].sort((a, b) => (b.recentEvents ?? 0) - (a.recentEvents ?? 0) || b.members - a.members)
  return { items, count: items.length < part.rooms ? `the busiest and largest of ${plain(part.rooms)}` : `${part.rooms} in all`, more: null }
})

let room = null
const sockets = new List('sockets', new Table('sockets', [
  { title: 'Socket', css: 'code', text: socket => byId('full').checked && socket.address ? `${socket.sid} ${socket.address}` : socket.sid },
  { title: 'Identity', css: 'code', text: socket => socket.identity ? key(socket.identity) : 'not proven' },
  { title: 'Transport', css: 'tight', text: socket => socket.transport },
  { title: 'Open for', css: 'tight', text: socket => duration(socket.openSeconds) },
  { title: 'Waiting', css: 'tight', text: socket => bytes(socket.outboundBytes) },
  { title: '', css: 'tight', action: { word: 'End', act: socket => end(socket) }, name: socket => `End socket ${socket.sid}` }
], socket => socket.sid, () => sockets.text || room ? 'No socket matches.' : 'No sockets are open.'), async (text, limit) => {
  if (room) {
    const { members, room: { members: count } } = await ask(`rooms/${encodeURIComponent(room)}?full=true&limit=${limit}`)
    const wanted = members.filter(({ sid, identity }) => sid.includes(text) || (identity ?? '').includes(text))
    return { items: wanted, count: `${wanted.length} of ${count} members`, more: count > limit }
  }
  const list = await ask(`sockets?full=true&limit=${limit}&contains=${encodeURIComponent(text)}`)
  return { items: list.sockets, count: `${list.sockets.length}${list.next ? ' and more' : ''} ${text ? 'found' : 'open'}`, more: list.next }
})

const log = new Table('log', [
  { title: 'Time (UTC)', css: 'tight', text: line => line.ts.slice(0, 19).replace('T', ' ') },
  { title: 'Level', css: 'tight', text: line => line.level, mark: line => line.level === 'ERROR' },
  { title: 'What', text: line => key(line.message) }
], line => `${line.ts} ${line.target} ${line.message}`, () => 'None since the start.')

function showRoom (id) {
  room = id
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
  byId('sockets-room').hidden = true
  sockets.search.focus()
  sockets.refresh()
})
byId('full').addEventListener('change', () => { rooms.refresh(); sockets.refresh() })

function end (socket) {
  const dialog = byId('ask')
  byId('ask-what').textContent = `End socket ${socket.sid}${socket.identity ? ` of ${key(socket.identity)}` : ''}?`
  dialog.returnValue = 'no'
  dialog.addEventListener('close', async () => {
    if (dialog.returnValue !== 'yes') return
    try {
      await ask(`sockets/${encodeURIComponent(socket.sid)}/disconnect`, 'POST')
      mention(`Socket ${socket.sid} was ended.`)
    } catch (error) {
      mention(error instanceof Refused ? error.message : 'The server does not answer.')
    }
    sockets.refresh()
  }, { once: true })
  dialog.showModal()
}
