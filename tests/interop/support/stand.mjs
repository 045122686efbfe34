// A stand-in for an HTTP service, which can be stopped and started again.

import { once } from 'node:events'
import http from 'node:http'

export class Stand {
  /** `answer` gives the status and the JSON of an answer to a path and a JSON body. */
  static async start (answer) {
    const stand = new Stand()
    stand.answer = answer
    stand.port = 0
    /** Seconds by which its clock is ahead. */
    stand.ahead = 0
    await stand.begin()
    return stand
  }

  get url () {
    return `http://127.0.0.1:${this.port}`
  }

  /** Also after it was stopped, at the same address. */
  async begin () {
    this.server = http.createServer(async (request, response) => {
      let text = ''
      for await (const chunk of request.setEncoding('utf8')) text += chunk
      const json = text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : null
      const [status, body] = this.answer(request.url, json)
      const date = new Date(Date.now() + this.ahead * 1000).toUTCString()
      response.writeHead(status, { 'content-type': 'application/json', date }).end(JSON.stringify(body))
    })
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = this.server.address().port
  }

  async stop () {
    this.server.close()
    this.server.closeAllConnections()
    await once(this.server, 'close')
  }
}
