// The reference pages of docs/, as the binaries and the code have them: `npm --prefix tests/interop run reference` writes them.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

import { TestServer } from './server.mjs'

const root = path.join(import.meta.dirname, '../../..')
const note = '<!-- Generated: npm --prefix tests/interop run reference -->\n'

async function printed (binary, ...args) {
  // Nothing of this machine shows up in what is printed.
  const { stdout } = await promisify(execFile)(path.resolve(binary), args, { cwd: os.tmpdir(), env: {} })
  return stdout.split('\n').map(line => line.trimEnd()).join('\n').trim()
}

const cell = text => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map(row => `| ${row.map(cell).join(' | ')} |`).join('\n')

async function commandLine () {
  const { MESSAGEBOX_SERVER: server, MESSAGEBOX_COMMAND: command } = process.env
  const help = async (binary, ...args) => '```text\n' + await printed(binary, ...args) + '\n```'
  const server_help = (await help(server, '--help')).replace(/\n\nKeys \(in files[\s\S]*/, '\n```')
  let text = `# Command line\n\n${note}\n## messagebox-server\n\n${server_help}\n\n## messagebox\n\n${await help(command, '--help')}\n`
  const names = (await printed(command, '--help')).match(/Commands:\n([\s\S]*?)\n\n/)[1].match(/^ {2}\w+/gm).map(name => name.trim())
  for (const name of names.filter(name => name !== 'help')) text += `\n### messagebox ${name}\n\n${await help(command, name, '--help')}\n`
  return text
}

async function settings () {
  const help = await printed(process.env.MESSAGEBOX_SERVER, '--help')
  const rows = [...help.matchAll(/^ {2}([\w.]+) \[env: (.*?)\] \[default: (.*)\]\n {6}(.*)$/gm)]
    .map(([, key, variables, value, says]) => [`\`${key}\``, variables, `\`${value}\``, says])
  const defaults = await readFile(path.join(root, 'config/default.toml'), 'utf8')
  return `# Settings\n\n${note}\n${table(['key', 'variables', 'default', 'meaning'], rows)}\n\n## Defaults\n\n\`\`\`toml\n${defaults.trim()}\n\`\`\`\n`
}

async function http () {
  const server = await TestServer.start()
  try {
    const { paths } = await (await fetch(`${server.host}/docs/openapi.json`)).json()
    const operations = Object.entries(paths).flatMap(([route, methods]) => Object.entries(methods).map(([method, says]) => ({ route, method, ...says })))
    const rows = operations.map(({ route, method, summary, parameters = [] }) =>
      [`\`${method.toUpperCase()} ${route}\``, summary, parameters.map(({ name, required }) => `\`${name}\`${required ? '' : '?'}`).join(', ')])
    const failures = new Map()
    for (const { route, responses } of operations) {
      for (const [status, { content }] of Object.entries(responses)) {
        for (const [code, { value }] of Object.entries(content?.['application/json']?.examples ?? {})) {
          if (!(Number(status) >= 400)) continue
          const failure = failures.get(`${status} ${code}`) ?? { says: value.description ?? value.status, routes: new Set() }
          failure.routes.add(route)
          failures.set(`${status} ${code}`, failure)
        }
      }
    }
    const errors = [...failures].sort(([a], [b]) => a < b ? -1 : 1).map(([code, { says, routes }]) => [code, says, routes.size > 8 ? `${routes.size} routes` : [...routes].join(', ')])
    return `# HTTP routes and errors\n\n${note}\nWith every body and answer: \`/docs\` of a running server.\n\n${table(['route', 'what it does', 'parameters'], rows)}\n\n## Errors\n\n${table(['status and code', 'for example', 'of'], errors)}\n`
  } finally {
    await server.stop()
  }
}

async function metrics () {
  const source = await readFile(path.join(root, 'src/admin/exposition.rs'), 'utf8')
  const found = [...source.matchAll(/^ {4}(gauge|counter|histogram)\("(\w+)", "([^"]*)"/gm)]
  const rows = found.map(([, kind, name, says]) => [`\`${name.startsWith('process_') ? '' : 'messagebox_'}${name}\``, kind, says])
  return `# Metrics\n\n${note}\n\`GET /metrics\` has those of which there is something to say.\n\n${table(['name', 'kind', 'meaning'], rows)}\n`
}

export const PAGES = { 'command-line': commandLine, settings, http, metrics }
export const pageFile = name => path.join(root, 'docs/reference', `${name}.md`)

if (process.argv[1] === import.meta.filename) {
  for (const [name, write] of Object.entries(PAGES)) await writeFile(pageFile(name), await write())
}
