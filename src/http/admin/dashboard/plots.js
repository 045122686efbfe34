/** Time ranges of the plots. Between samples that are further apart than `gap`, the line is broken: the time in between is unknown. */
const RANGES = {
  live: { length: 120_000, gap: 3_500, from: '2 minutes ago', word: 'in 2 minutes' },
  day: { length: 86_400_000, gap: 150_000, from: '24 hours ago', word: 'in 24 hours' }
}
let range = RANGES.live
const WIDTH = 1000
const SVG = 'http://www.w3.org/2000/svg'

const compact = Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const plain = value => value >= 1e4 ? compact.format(value) : String(Math.round(value * 100) / 100)
const inUnits = (value, units, step) => {
  let unit = 0
  while (value >= step && unit < units.length - 1) { value /= step; unit++ }
  return `${plain(Math.round(value * 10) / 10)} ${units[unit]}`
}
const bytes = value => inUnits(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024)
const micros = value => inUnits(value, ['µs', 'ms', 's'], 1000)
const shown = (value, format = plain) => value === null || value === undefined ? '–' : format(value)

/** Growth of a counter per second; null after a restart. */
const perSecond = of => (now, before) => {
  if (!before) return null
  const grown = of(now) - of(before)
  return grown >= 0 ? grown * 1000 / (now.at - before.at) : null
}
const percentile = (which, part) => ({ recent }) => recent && recent[which].count > 0 ? recent[which][part] : null
/** Lines of three percentiles: live from `which`, over the day from the series whose names begin with `series`. */
const percentiles = (which, series) => Object.fromEntries(['p50', 'p95', 'p99'].map(part =>
  [part, [percentile(which, part), series + part.toUpperCase()]]))

/** Title, format and lines. Each line has a live value and a series of the history. */
const PLOTS = [
  ['Sockets', plain, {
    authenticated: [({ status }) => status.sockets.proven, 'socketsAuthenticated'],
    unauthenticated: [({ status }) => status.sockets.unproven, 'socketsUnauthenticated']
  }],
  ['Events per second', plain, {
    in: [({ status }) => status.events.inPerSecond, 'eventsIn'],
    out: [({ status }) => status.events.outPerSecond, 'eventsOut'],
    'HTTP requests': [({ status }) => status.http.perSecond, 'requests']
  }],
  ['Deliveries per second', plain, {
    deliveries: [perSecond(({ status }) => status.rooms.deliveries), 'deliveries'],
    stored: [perSecond(({ status }) => status.database.stored), 'stored']
  }],
  ['Ack latency', micros, percentiles('message', 'ack')],
  ['HTTP latency', micros, percentiles('request', 'request')],
  ['Commit latency', micros, percentiles('commit', 'commit')],
  ['Queued', plain, {
    writes: [({ status }) => status.database.queuedWrites, 'queuedWrites'],
    reads: [({ status }) => status.database.reads, 'queuedReads'],
    undelivered: [({ status }) => status.database.undelivered, 'undelivered']
  }],
  ['Outbound buffers', bytes, {
    total: [({ status }) => status.sockets.outboundBytes, 'outboundBytes'],
    largest: [({ status }) => status.sockets.largestOutboundBytes, 'largestOutboundBytes']
  }],
  ['Memory', bytes, { resident: [({ status }) => status.process && status.process.residentBytes, 'residentBytes'] }],
  ['CPU', plain, { cores: [perSecond(({ status }) => status.process ? status.process.cpuSeconds : NaN), 'cpu'] }]
]

function drawn (name, attributes, parent) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  parent.append(element)
  return element
}

function made (name, className, parent, text = '') {
  const element = document.createElement(name)
  element.className = className
  element.textContent = text
  parent.append(element)
  return element
}

class Plot {
  constructor ([title, format, lines], parent) {
    this.title = title
    this.format = format
    const figure = made('figure', 'plot', parent)
    const caption = made('figcaption', '', figure, title)
    this.when = made('span', 'soft', caption)
    this.top = made('div', 'top', figure)
    const chart = made('div', 'chart', figure)
    this.svg = drawn('svg', { viewBox: `0 0 ${WIDTH} 100`, preserveAspectRatio: 'none', role: 'img' }, chart)
    for (const y of [1, 50, 99]) drawn('line', { x1: 0, x2: WIDTH, y1: y, y2: y }, this.svg)
    this.cursor = drawn('line', { y1: 0, y2: 100, class: 'at', visibility: 'hidden' }, this.svg)
    const ends = made('div', 'ends', figure)
    this.from = made('span', '', ends)
    made('span', '', ends, 'now')
    const key = made('ul', 'key', figure)
    this.area = drawn('path', { class: 'area' }, this.svg)
    this.lines = Object.entries(lines).map(([name, [of, series]], index) => {
      const css = 'abc'[index]
      const item = made('li', '', key)
      drawn('path', { d: 'M0 5 H26', class: css }, drawn('svg', { viewBox: '0 0 26 10', 'aria-hidden': 'true' }, item))
      made('span', '', item, name)
      return { name, of, series, path: drawn('path', { class: css }, this.svg), label: made('b', '', item, '–'), live: [], day: [] }
    })
    this.pointed = null
    chart.addEventListener('pointermove', event => {
      const box = chart.getBoundingClientRect()
      this.pointed = (event.clientX - box.left) / box.width
      this.draw()
    })
    chart.addEventListener('pointerleave', () => { this.pointed = null; this.draw() })
  }

  add (now, before) {
    const { length, gap } = RANGES.live
    for (const line of this.lines) {
      const value = line.of(now, before)
      line.live.push({ at: now.at, value: Number.isFinite(value) ? value : null })
      while (line.live[0].at < now.at - length - gap) line.live.shift()
    }
  }

  /** Takes the server's history. */
  remember ({ at, series }) {
    for (const line of this.lines) {
      const values = series[line.series] ?? []
      line.day = at.map((seconds, index) => ({ at: seconds * 1000, value: values[index] ?? null }))
    }
  }

  /** Breaks the lines: values are unknown from now on. */
  miss (at) {
    for (const line of this.lines) line.live.push({ at, value: null })
  }

  samples (line) {
    return range === RANGES.day ? line.day : line.live
  }

  draw (now = Date.now()) {
    const began = now - range.length
    const highest = Math.max(0, ...this.lines.map(line => this.samples(line).reduce((most, { value }) => Math.max(most, value ?? 0), 0)))
    const scale = this.format === bytes ? 2 ** Math.ceil(Math.log2(Math.max(1, highest))) : ceiling(highest)
    for (const line of this.lines) {
      const runs = connected(this.samples(line), began, scale)
      line.path.setAttribute('d', runs.map(run => 'M' + run.join('L')).join(''))
      if (line === this.lines[0]) {
        const closed = run => `M${run[0].split(',')[0]},99L${run.join('L')}L${run.at(-1).split(',')[0]},99Z`
        this.area.setAttribute('d', runs.map(closed).join(''))
      }
    }
    write(this.top, this.format(scale))
    write(this.from, range.from)
    this.say(now, highest)
  }

  /** Shows the values at the pointer, otherwise the latest. */
  say (now, highest) {
    const at = this.pointed === null ? now : now - range.length * (1 - this.pointed)
    this.cursor.setAttribute('visibility', this.pointed === null ? 'hidden' : 'visible')
    if (this.pointed !== null) {
      for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.pointed * WIDTH)
    }
    write(this.when, this.pointed === null ? '' : `${duration(Math.round((now - at) / 1000))} ago`)
    const parts = this.lines.map(line => {
      const samples = this.samples(line)
      const near = samples.findLast(sample => sample.at <= at) ?? samples[0]
      write(line.label, near && Math.abs(near.at - at) < range.gap ? shown(near.value, this.format) : '–')
      return `${line.name} ${line.label.textContent}`
    })
    this.svg.setAttribute('aria-label', `${this.title}: ${parts.join(', ')}; highest ${range.word} ${this.format(highest)}`)
  }
}

/** Rounds up to one of 1, 2, 5, 10, 20, ... */
function ceiling (value) {
  if (value <= 1) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= value)
}

/** Splits samples into runs of points without a gap. */
function connected (samples, began, scale) {
  const runs = []
  let last = null
  for (const { at, value } of samples) {
    if (value === null || at < began) { last = null; continue }
    if (last === null || at - last > range.gap) runs.push([])
    const x = Math.round((at - began) / range.length * WIDTH * 10) / 10
    runs.at(-1).push(`${x},${Math.round((99 - 96 * value / scale) * 100) / 100}`)
    last = at
  }
  return runs
}

const plots = PLOTS.map(plot => new Plot(plot, byId('plots')))
