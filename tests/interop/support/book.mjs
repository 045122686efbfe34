// Runs the commands of a page of docs/ in order, in one shell, and compares their output with the page.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import { freePort } from './server.mjs'

const DEADLINE_SECONDS = 60

/** The blocks of a page: commands, the expected output, or the reason why they are not run. A named block is run by another test. */
export function blocks (text) {
  const found = []
  for (const [, before, language, body] of text.matchAll(/([^\n]*)\n```(\w+)\n([\s\S]*?)\n```/g)) {
    const reason = before.match(/^<!-- not run: (.+) -->$/)?.[1] ?? before.match(/^<!-- ([a-z-]+) -->$/)?.[1]
    if (language === 'sh') found.push({ commands: body, reason, expected: null })
    if (language === 'text' && found.length > 0) found.at(-1).expected = body
  }
  return found
}

/** `…` stands for anything. */
function matches (printed, expected) {
  const parts = expected.split('…').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[\\s\\S]*?')}$`).test(printed.trim())
}

/** The page says 8080 and 8081; here these are two ports that nobody has. */
function elsewhere (text, ports) {
  return text.replaceAll('localhost:8080', `127.0.0.1:${ports[0]}`).replaceAll('localhost:8081', `127.0.0.1:${ports[1]}`)
    .replaceAll('[::1]:8080', `[::1]:${ports[0]}`).replaceAll('127.0.0.1:8080', `127.0.0.1:${ports[0]}`)
    .replaceAll('PORT=8080', `PORT=${ports[0]}`)
}

/** Describes the difference. */
export async function run (file) {
  const all = blocks(await readFile(file, 'utf8')).filter(block => !block.reason)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'book-'))
  try {
    const ports = [await freePort(), await freePort()]
    const marked = all.map((block, index) => `{\n${elsewhere(block.commands, ports)}\n} > out.${index} 2>&1\n`)
    const script = `set -euo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n${marked.join('')}`
    await writeFile(path.join(folder, 'page.sh'), script)
    await symlink(path.join(import.meta.dirname, '../node_modules'), path.join(folder, 'node_modules'))
    const binaries = path.dirname(path.resolve(process.env.MESSAGEBOX_SERVER))
    const shell = spawn('timeout', [String(DEADLINE_SECONDS), 'bash', 'page.sh'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        PATH: `${binaries}:${process.env.PATH}:/usr/sbin`,
        HOME: folder,
        HOST: '127.0.0.1',
        PORT: String(ports[0]),
        MESSAGEBOX_SERVER: `http://127.0.0.1:${ports[0]}`
      }
    })
    const [code] = await once(shell, 'exit')
    const wrong = []
    for (const [index, { commands, expected }] of all.entries()) {
      const printed = await readFile(path.join(folder, `out.${index}`), 'utf8').catch(() => null)
      if (printed === null) wrong.push(`not reached:\n${commands}`)
      else if (expected !== null && !matches(printed, expected)) wrong.push(`${commands}\nprinted:\n${printed}`)
    }
    if (code !== 0) wrong.push(`ended with ${code}`)
    return { wrong, count: all.length }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
