// Other servers that the scenarios use: Redis, and the balancers as `deploy/` sets them up.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { find } from './needs.mjs'

const DEPLOY = new URL('../../../deploy/', import.meta.url)

/** An unused loopback host, and a port of it. */
export async function freeAddress () {
  const byte = () => 1 + Math.floor(Math.random() * 253)
  const host = `127.${byte()}.${byte()}.${byte()}`
  const listener = net.createServer().listen(0, host)
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return { host, port }
}

async function listens ({ host, port }) {
  const connection = net.connect(port, host)
  try {
    await once(connection, 'connect')
    return true
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}

class Process {
  /** Starts a program, and waits until it listens. */
  async launch (program, args) {
    this.log = ''
    this.process = spawn(find(program) ?? program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.process.on('error', error => { this.log += error })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', chunk => { this.log += chunk })
    this.exited = once(this.process, 'exit')
    for (let tries = 0; !(await listens(this.address)); tries++) {
      if (this.process.exitCode !== null || tries > 800) throw new Error(`${program} did not start:\n${this.log}`)
      await sleep(25)
    }
  }

  async stop () {
    this.process.kill('SIGTERM')
    await this.exited
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function prepare (of) {
  of.address = await freeAddress()
  of.folder = await mkdtemp(path.join(os.tmpdir(), 'messagebox-'))
  return of
}

export class Redis extends Process {
  static async start () {
    const redis = await prepare(new Redis())
    await redis.begin()
    return redis
  }

  /** Also after it was killed, at the same address. */
  async begin () {
    const { host, port } = this.address
    await this.launch('redis-server', ['--bind', host, '--port', port, '--save', '', '--dir', this.folder])
  }

  async kill () {
    this.process.kill('SIGKILL')
    await this.exited
  }

  get url () {
    return `redis://${this.address.host}:${this.address.port}`
  }
}

/** A balancer in front of three servers. */
class Proxy extends Process {
  /** `change`: differences from `deploy/`, besides addresses. */
  static async start (nodes, change = text => text) {
    const proxy = await prepare(new this())
    const { host, port } = proxy.address
    let text = await readFile(new URL(proxy.file, DEPLOY), 'utf8')
    const substitute = (from, to) => {
      if (!text.includes(from)) throw new Error(`${proxy.file} does not mention ${from}`)
      text = text.replaceAll(from, to)
    }
    substitute('0.0.0.0:80', `${host}:${port}`)
    nodes.forEach((node, n) => substitute(`10.0.0.1${n + 1}:8080`, `127.0.0.1:${node.port}`))
    const changed = change(text)
    const file = path.join(proxy.folder, 'messagebox')
    await writeFile(file, changed)
    await proxy.run(file)
    return proxy
  }

  get host () {
    return `http://${this.address.host}:${this.address.port}`
  }
}

export class Nginx extends Proxy {
  file = 'nginx/messagebox.conf'

  static withoutStickiness (text) {
    return text.replace(/ *hash .*;\n/, '')
  }

  async run (file) {
    const main = path.join(this.folder, 'nginx.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map(of => `${of}_temp_path ${this.folder}/${of};`).join('\n')
    // One worker, whose turns are in order. Root's files are root's.
    await writeFile(main, `
      daemon off; worker_processes 1; pid ${this.folder}/pid; error_log stderr;
      ${process.getuid() === 0 ? 'user root;' : ''}
      events { worker_connections 512; }
      http { access_log off; ${temporary} include ${file}; }`)
    await this.launch('nginx', ['-e', 'stderr', '-p', this.folder, '-c', main])
  }
}

export class HAProxy extends Proxy {
  file = 'haproxy/messagebox.cfg'

  static withoutStickiness (text) {
    return text.replace('balance hash src', 'balance roundrobin').replace(/ *hash-type .*\n/, '')
  }

  async run (file) {
    await this.launch('haproxy', ['-db', '-f', file])
  }
}

/** Requests from another address of this machine. */
export function from (localAddress) {
  return new http.Agent({ localAddress, keepAlive: true })
}

/** A request as it is; gives status and text of the answer. */
export async function ask (url, { agent, method = 'GET', headers = {}, body = '' } = {}) {
  const request = http.request(url, { agent, method, headers })
  request.end(body)
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode, text }
}
