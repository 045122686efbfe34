// Takes the pictures of the dashboard in docs/images: `cargo build --bins && npm --prefix tests/interop run pictures`.

import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { openBrowser, openDashboard, untilState } from './support/browser.mjs'
import { closeAll } from './support/clients.mjs'
import { TestServer } from './support/server.mjs'
import { Traffic } from './support/traffic.mjs'

const root = path.join(import.meta.dirname, '../..')
const folder = path.join(root, 'docs/images')
/** As long as the plots look back. */
const SECONDS = 120

function load (server, ...options) {
  const args = ['rooms', '--server', server.host, '--warm-up', '1s', ...options]
  return spawn(path.join(root, 'target/debug/messagebox-loadtest'), args, { stdio: 'ignore' })
}

const server = await TestServer.start({ RUST_LOG: 'messagebox=info' })
const browser = await openBrowser()
const loads = []
try {
  const traffic = await Traffic.start(server.host, 4)
  const desktop = await openDashboard(browser, server.host, { width: 1280, height: 800 })
  const phone = await openDashboard(browser, server.host, { width: 360, height: 780, scheme: 'dark', scale: 2 })
  loads.push(load(server, '--sockets', '120', '--rooms', '40', '--rate', '2', '--duration', '200s'))
  await sleep(SECONDS * 350)
  loads.push(load(server, '--sockets', '60', '--rooms', '6', '--rate', '3', '--duration', '25s'))
  await sleep(SECONDS * 650)
  await mkdir(folder, { recursive: true })
  await desktop.screenshot({ path: path.join(folder, 'dashboard-light.png') })
  await phone.screenshot({ path: path.join(folder, 'dashboard-phone.png') })
  await traffic.stop()
  await closeAll()
  await server.kill()
  await untilState(desktop, 'Unreachable')
  await sleep(8_000)
  await desktop.setViewportSize({ width: 1024, height: 700 })
  await desktop.screenshot({ path: path.join(folder, 'dashboard-away.png') })
} finally {
  for (const one of loads) one.kill('SIGKILL')
  await browser.close()
}
process.exit()
