// An HTTP proxy that gives each request to the next node in turn, as a load balancer without stickiness does.

import { once } from 'node:events'
import http from 'node:http'

export class Balancer {
  static async start (nodes) {
    const balancer = new Balancer()
    balancer.nodes = nodes
    balancer.turn = 0
    balancer.handshakes = 0
    /** The number of answers by status, with 502 for a missing node. */
    balancer.statuses = {}
    balancer.listener = http.createServer((request, response) => balancer.pass(request, response))
    balancer.listener.listen(0, '127.0.0.1')
    await once(balancer.listener, 'listening')
    balancer.port = balancer.listener.address().port
    return balancer
  }

  get host () {
    return `http://127.0.0.1:${this.port}`
  }

  pass (request, response) {
    if (request.url === '/.well-known/auth') this.handshakes++
    const { port } = this.nodes[this.turn++ % this.nodes.length]
    const { method, url: path, headers } = request
    const finish = (status, answer) => {
      this.statuses[status] = (this.statuses[status] ?? 0) + 1
      answer()
    }
    const asked = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, answer => {
      finish(answer.statusCode, () => {
        response.writeHead(answer.statusCode, answer.headers)
        answer.on('error', () => response.destroy())
        answer.pipe(response)
      })
    })
    asked.on('error', () => {
      if (response.headersSent) return response.destroy()
      finish(502, () => response.writeHead(502, { connection: 'close' }).end())
    })
    request.on('error', () => asked.destroy())
    request.pipe(asked)
  }

  async stop () {
    this.listener.closeAllConnections()
    this.listener.close()
    await once(this.listener, 'close')
  }
}
