// Causes of a degraded server: every place shows each cause within five seconds, and drops it as soon.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

import { openBrowser, openDashboard } from '../support/browser.mjs'
import { Redis } from '../support/processes.mjs'
import { TestServer } from '../support/server.mjs'
import { Stand } from '../support/stand.mjs'

const WITHIN = 5_000
const MIB = 1024 * 1024
const { MESSAGEBOX_SERVER, MESSAGEBOX_COMMAND } = process.env
const root = path.join(import.meta.dirname, '../../..')
const run = promisify(execFile)

let redis, wallet, headers, firebase, server, browser, page
const status = { headers: 200, firebase: 200 }

/** A database that was copied without its log of writes. */
async function copiedDatabase (folder) {
  const used = await TestServer.start()
  await copyFile(path.join(used.folder, 'messagebox.db'), path.join(folder, 'messagebox.db'))
  assert.equal(await used.stop(), 0)
}

async function account () {
  return JSON.stringify({
    type: 'service_account',
    project_id: 'the-project',
    client_email: 'push@the-project.example',
    private_key: await readFile(path.join(root, 'tests/keys/worthless_rsa.pem'), 'utf8'),
    token_uri: `${firebase.url}/token`
  })
}

let folder
before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'messagebox-'))
  await copiedDatabase(folder)
  redis = await Redis.start()
  wallet = await Stand.start(() => [200, { authenticated: true }])
  headers = await Stand.start(() => [status.headers, { confirmationState: 'CONFIRMED' }])
  firebase = await Stand.start(url => url === '/token'
    ? [200, { access_token: 'token', expires_in: 3600 }]
    : [status.firebase, { name: 'projects/the-project/messages/fake' }])
  server = await TestServer.start({
    REDIS_URL: redis.url,
    WALLET_URL: wallet.url,
    BLOCK_HEADERS_URL: headers.url,
    FIREBASE_ENDPOINT: firebase.url,
    FIREBASE_SERVICE_ACCOUNT_JSON: await account(),
    DB_MIN_FREE_BYTES: String(16 * MIB)
  }, data => `mount -t tmpfs -o size=64m tmpfs ${data} && cp ${folder}/messagebox.db ${data}/`)
  browser = await openBrowser()
  page = await openDashboard(browser, server.host)
})
after(async () => {
  await browser?.close()
  if (server) assert.equal(await server.stop(), 0)
  for (const stand of [redis, wallet, headers, firebase]) await stand?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function command (...args) {
  const env = { MESSAGEBOX_SERVER: server.host, XDG_CONFIG_HOME: folder }
  const { stdout } = await run(path.resolve(MESSAGEBOX_COMMAND), args, { env })
  return stdout
}

/** The rule for what a server is degraded by, which must be a comparison that is made here. */
async function alert () {
  const rules = await readFile(path.join(root, 'deploy/prometheus/alerts.yml'), 'utf8')
  const [, expression] = rules.match(/alert: MessageBoxDegraded\n\s*expr: (.*)/)
  const [, name, value] = expression.match(/^(\w+) == (\d)$/)
  return { name, value }
}

const listed = text => text ? text.split(', ') : []

/** The causes that each place shows. */
const PLACES = {
  readyz: async () => {
    const answer = await fetch(`${server.host}/readyz`)
    assert.equal(answer.status, 200)
    return (await answer.json()).degraded ?? []
  },
  status: async () => {
    const said = (await (await fetch(`${server.host}/admin/status`)).json()).server
    for (const cause of said.degraded) assert.ok(said.reasons[cause])
    return said.degraded
  },
  alert: async () => {
    const { name, value } = await alert()
    const text = await (await fetch(`${server.host}/metrics`)).text()
    const samples = [...text.matchAll(new RegExp(`^${name}\\{cause="(\\w+)"\\} (\\d)$`, 'gm'))]
    assert.equal(samples.length, 7)
    return samples.filter(sample => sample[2] === value).map(sample => sample[1])
  },
  page: async () => {
    const { text, color, good, amber } = await page.locator('#state').evaluate(state => {
      const named = name => {
        const probe = document.createElement('i')
        probe.style.color = `var(${name})`
        document.body.append(probe)
        const { color } = getComputedStyle(probe)
        probe.remove()
        return color
      }
      return { text: state.textContent, color: getComputedStyle(state).color, good: named('--good'), amber: named('--warn') }
    })
    const causes = listed(text.match(/^Degraded: (.*)$/)?.[1])
    if (text !== 'Healthy' && causes.length === 0) return [text]
    assert.equal(color, causes.length > 0 ? amber : good)
    return causes
  },
  command: async () => listed((await command('status', '--human')).match(/^ready +yes(?:, degraded: (.*))?$/m)?.[1]),
  doctor: async () => {
    const { checks } = JSON.parse(await command('doctor', '--requests', '1'))
    const { verdict, found } = checks.find(check => check.name === 'readiness')
    const causes = listed(found.match(/degraded: (.*)$/)?.[1])
    assert.equal(verdict, causes.length > 0 ? 'warning' : 'ok')
    return causes
  }
}

/** Waits until every place shows this and nothing else, for at most the promised time. */
async function everywhere (expected) {
  const began = Date.now()
  await Promise.all(Object.entries(PLACES).map(async ([place, say]) => {
    for (;;) {
      const asked = Date.now()
      const said = await say()
      if (JSON.stringify(said) === JSON.stringify(expected)) return
      assert.ok(asked - began < WITHIN, `${place} says ${JSON.stringify(said)} instead of ${JSON.stringify(expected)}`)
      await sleep(100)
    }
  }))
}

const inServer = (program, ...args) => run('nsenter', ['--mount', '--target', String(server.process.pid), program, ...args], {
  env: { ...process.env, DATA_DIR: server.folder, CONFIG_DIR: server.folder }
})
const filler = () => path.join(server.folder, 'filler')
const clocks = seconds => { for (const stand of [wallet, headers, firebase]) stand.ahead = seconds }

/** The cause, how it starts, and how it ends. */
const CAUSES = [
  ['database_log', async () => {}, () => inServer(path.resolve(MESSAGEBOX_SERVER), 'accept-database')],
  ['redis', () => redis.kill(), () => redis.begin()],
  ['wallet', () => wallet.stop(), () => wallet.begin()],
  ['headers', async () => { status.headers = 500 }, async () => { status.headers = 200 }],
  ['fcm', async () => { status.firebase = 403 }, async () => { status.firebase = 200 }],
  ['disk', () => inServer('fallocate', '--length', '36M', filler()), () => inServer('rm', filler())],
  ['clock', async () => clocks(3600), async () => clocks(0)]
]

for (const [cause, come, go] of CAUSES) {
  test(`degraded by ${cause}: everywhere within 5 s, and gone again`, async () => {
    await come()
    await everywhere([cause])
    await go()
    await everywhere([])
  })
}

test('several causes have one order', async () => {
  await Promise.all([wallet.stop(), redis.kill()])
  await everywhere(['redis', 'wallet'])
  await Promise.all([wallet.begin(), redis.begin()])
  await everywhere([])
})
