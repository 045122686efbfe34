// The command `messagebox`, run as its users run it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import readline from 'node:readline'

import { Inbox } from './clients.mjs'

const BINARY = process.env.MESSAGEBOX_COMMAND
if (!BINARY) throw new Error('MESSAGEBOX_COMMAND must name the command; run this through `cargo test --test needs -- interop::`')

function start (party, host, args, env = {}) {
  const command = spawn(BINARY, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { MESSAGEBOX_SERVER: host, MESSAGEBOX_PRIVATE_KEY: party.privateKey.toHex().padStart(64, '0'), ...env }
  })
  command.exited = once(command, 'close')
  command.said = ''
  command.stderr.on('data', chunk => { command.said += chunk })
  return command
}

/** Runs it to its end. Returns its exit code, standard output and standard error. */
export async function end (party, host, args, input = '', env = {}) {
  const command = start(party, host, args, env)
  let printed = ''
  command.stdout.on('data', chunk => { printed += chunk })
  command.stdin.end(input)
  const [code] = await command.exited
  return { code, printed, said: command.said }
}

/** Runs it to its end, expects success, and returns the printed document. */
export async function run (party, host, args, input = '', env = {}) {
  const { code, printed, said } = await end(party, host, args, input, env)
  if (code !== 0) throw new Error(`messagebox ${args[0]} ended with ${code}: ${said}`)
  return JSON.parse(printed)
}

/** `messagebox listen`, with what it has printed so far. */
export class Listener {
  constructor (party, host, args = []) {
    this.command = start(party, host, ['listen', ...args])
    this.inbox = new Inbox()
    readline.createInterface({ input: this.command.stdout }).on('line', line => this.inbox.push(JSON.parse(line)))
  }

  async atLeast (count) {
    return await this.inbox.atLeast(count)
  }

  async stop () {
    this.command.kill('SIGINT')
    const [code] = await this.command.exited
    return code
  }
}
