const WINDOW = 120_000
/** Between two samples that are further apart the line is broken: nobody knows what was there. */
const GAP = 3_500
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

/** How much a count has grown in a second; unknown after a restart. */
const perSecond = of => (now, before) => {
  if (!before) return null
  const grown = of(now) - of(before)
  return grown >= 0 ? grown * 1000 / (now.at - before.at) : null
}
const percentile = (which, part) => ({ recent }) => recent && recent[which].count > 0 ? recent[which][part] : null
const percentiles = which => ({ p50: percentile(which, 'p50'), p95: percentile(which, 'p95'), p99: percentile(which, 'p99') })

const PLOTS = [
  ['Sockets', plain, { proven: ({ status }) => status.sockets.proven, unproven: ({ status }) => status.sockets.unproven }],
  ['Events in a second', plain, { in: ({ status }) => status.events.inPerSecond, out: ({ status }) => status.events.outPerSecond, http: ({ status }) => status.http.perSecond }],
  ['Deliveries in a second', plain, { deliveries: perSecond(({ status }) => status.rooms.deliveries), stored: perSecond(({ status }) => status.database.stored) }],
  ['Message to answer', micros, percentiles('message')],
  ['HTTP request to answer', micros, percentiles('request')],
  ['Commit', micros, percentiles('commit')],
  ['What waits', plain, { writes: ({ status }) => status.database.queuedWrites, reads: ({ status }) => status.database.reads, undelivered: ({ status }) => status.database.undelivered }],
  ['Bytes that wait for sockets', bytes, { all: ({ status }) => status.sockets.outboundBytes, largest: ({ status }) => status.sockets.largestOutboundBytes }],
  ['Memory', bytes, { resident: ({ status }) => status.process && status.process.residentBytes }],
  ['Processors in use', plain, { cores: perSecond(({ status }) => status.process ? status.process.cpuSeconds : NaN) }]
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
    const chart = made('div', 'chart', figure)
    this.svg = drawn('svg', { viewBox: `0 0 ${WINDOW} 100`, preserveAspectRatio: 'none', role: 'img' }, chart)
    for (const y of [1, 50, 99]) drawn('line', { x1: 0, x2: WINDOW, y1: y, y2: y }, this.svg)
    this.cursor = drawn('line', { y1: 0, y2: 100, class: 'at', visibility: 'hidden' }, this.svg)
    this.top = made('span', 'top', chart)
    const ends = made('div', 'ends', figure)
    made('span', '', ends, '2 minutes ago')
    made('span', '', ends, 'now')
    const key = made('ul', 'key', figure)
    this.area = drawn('path', { class: 'area' }, this.svg)
    this.lines = Object.entries(lines).map(([name, of], index) => {
      const css = 'abc'[index]
      const item = made('li', '', key)
      drawn('path', { d: 'M0 5 H26', class: css }, drawn('svg', { viewBox: '0 0 26 10', 'aria-hidden': 'true' }, item))
      made('span', '', item, name)
      return { name, of, path: drawn('path', { class: css }, this.svg), label: made('b', '', item, '–'), samples: [] }
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
    for (const line of this.lines) {
      const value = line.of(now, before)
      line.samples.push({ at: now.at, value: Number.isFinite(value) ? value : null })
      while (line.samples[0].at < now.at - WINDOW - GAP) line.samples.shift()
    }
  }

  /** From here on nothing is known. */
  miss (at) {
    for (const line of this.lines) line.samples.push({ at, value: null })
  }

  draw (now = Date.now()) {
    const began = now - WINDOW
    const highest = Math.max(0, ...this.lines.flatMap(line => line.samples.map(sample => sample.value || 0)))
    const scale = this.format === bytes ? 2 ** Math.ceil(Math.log2(Math.max(1, highest))) : ceiling(highest)
    for (const line of this.lines) {
      const runs = connected(line.samples, began, scale)
      line.path.setAttribute('d', runs.map(run => 'M' + run.join('L')).join(''))
      if (line === this.lines[0]) {
        const closed = run => `M${run[0].split(',')[0]},99L${run.join('L')}L${run.at(-1).split(',')[0]},99Z`
        this.area.setAttribute('d', runs.map(closed).join(''))
      }
    }
    this.top.textContent = this.format(scale)
    this.say(now, highest)
  }

  /** Values beside their names: of the moment that is pointed at, else the latest. */
  say (now, highest) {
    const at = this.pointed === null ? now : now - WINDOW * (1 - this.pointed)
    this.cursor.setAttribute('visibility', this.pointed === null ? 'hidden' : 'visible')
    if (this.pointed !== null) {
      for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, this.pointed * WINDOW)
    }
    this.when.textContent = this.pointed === null ? '' : `${Math.round((now - at) / 1000)} s ago`
    const parts = this.lines.map(line => {
      const near = line.samples.findLast(sample => sample.at <= at) ?? line.samples[0]
      line.label.textContent = near && Math.abs(near.at - at) < GAP ? shown(near.value, this.format) : '–'
      return `${line.name} ${line.label.textContent}`
    })
    this.svg.setAttribute('aria-label', `${this.title}: ${parts.join(', ')}; highest in two minutes ${this.format(highest)}`)
  }
}

/** The next of 1, 2, 5, 10, 20, ... that is not below. */
function ceiling (value) {
  if (value <= 1) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= value)
}

/** Points without a gap between them, as texts. */
function connected (samples, began, scale) {
  const runs = []
  let last = null
  for (const { at, value } of samples) {
    if (value === null) { last = null; continue }
    if (last === null || at - last > GAP) runs.push([])
    runs.at(-1).push(`${at - began},${Math.round((99 - 96 * value / scale) * 100) / 100}`)
    last = at
  }
  return runs
}

const plots = PLOTS.map(plot => new Plot(plot, byId('plots')))
