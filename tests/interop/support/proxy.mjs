// A TCP proxy that can break the network and heal it.

import { once } from 'node:events'
import net from 'node:net'

export class Proxy {
  static async start (targetPort) {
    const proxy = new Proxy()
    proxy.pairs = new Set()
    proxy.broken = false
    proxy.listener = net.createServer(client => {
      if (proxy.broken) return client.destroy()
      const target = net.connect(targetPort, '127.0.0.1')
      const pair = [client, target]
      proxy.pairs.add(pair)
      client.pipe(target)
      target.pipe(client)
      for (const socket of pair) {
        socket.on('error', () => {})
        socket.on('close', () => {
          client.destroy()
          target.destroy()
          proxy.pairs.delete(pair)
        })
      }
    })
    proxy.listener.listen(0, '127.0.0.1')
    await once(proxy.listener, 'listening')
    proxy.port = proxy.listener.address().port
    return proxy
  }

  get host () {
    return `http://127.0.0.1:${this.port}`
  }

  /** Cuts every connection and takes no new one. */
  break () {
    this.broken = true
    for (const pair of this.pairs) for (const socket of pair) socket.destroy()
  }

  heal () {
    this.broken = false
  }

  async stop () {
    this.break()
    this.listener.close()
    await once(this.listener, 'close')
  }
}
