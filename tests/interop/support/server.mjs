// Runs the real server binary on a free port with its own data folder.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BINARY = process.env.MESSAGEBOX_SERVER
if (!BINARY) throw new Error('MESSAGEBOX_SERVER must name the server binary; run this through `cargo test --test needs -- interop::`')

export async function freePort () {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}

async function answers (port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`)
    return response.status > 0
  } catch {
    return false
  }
}

export class TestServer {
  /** `first`: what a shell does before, with the server's folder, in a mount namespace of its own; for root. */
  static async start (env = {}, first = null) {
    const server = new TestServer()
    server.env = env
    server.first = first
    server.port = await freePort()
    server.folder = await mkdtemp(path.join(os.tmpdir(), 'messagebox-'))
    await server.launch()
    return server
  }

  get host () {
    return `http://127.0.0.1:${this.port}`
  }

  async launch () {
    this.log = ''
    const [program, ...args] = this.first
      ? ['unshare', '--mount', 'sh', '-c', `${this.first(this.folder)} && exec ${path.resolve(BINARY)}`]
      : [BINARY]
    this.process = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'development',
        HOST: '127.0.0.1',
        PORT: String(this.port),
        DATA_DIR: this.folder,
        CONFIG_DIR: this.folder,
        RUST_LOG: 'messagebox=debug',
        ...this.env
      }
    })
    this.exited = once(this.process, 'exit')
    this.process.stderr.on('data', chunk => { this.log += chunk })
    for (let tries = 0; !(await answers(this.port)); tries++) {
      if (this.process.exitCode !== null || tries > 400) throw new Error(`the server did not start:\n${this.log}`)
      await sleep(25)
    }
  }

  /** Waits until it has logged this. */
  async logged (text, milliseconds = 60_000) {
    const late = AbortSignal.timeout(milliseconds)
    while (!this.log.includes(text)) {
      try {
        await once(this.process.stderr, 'data', { signal: late })
      } catch {
        throw new Error(`the server did not log ${text}:\n${this.log}`)
      }
    }
  }

  async kill () {
    this.process.kill('SIGKILL')
    await this.exited
  }

  /** Stops it gracefully and returns its exit code. */
  async drain () {
    this.process.kill('SIGTERM')
    const [code] = await this.exited
    return code
  }

  async restart () {
    await this.kill()
    await this.launch()
  }

  /** Kills the server and returns its exit code. */
  async stop () {
    this.process.kill('SIGTERM')
    const [code] = await this.exited
    await rm(this.folder, { recursive: true, force: true })
    return code
  }
}
