// Parties that talk to each other while the test watches something else.

import { setTimeout as sleep } from 'node:timers/promises'

import { Inbox, Party } from './clients.mjs'

/** One sends to all the others, live, until it is stopped. */
export class Traffic {
  static async start (host, listeners = 2) {
    const traffic = new Traffic()
    traffic.sender = new Party()
    traffic.listeners = Array.from({ length: listeners }, () => new Party())
    traffic.inboxes = []
    for (const party of traffic.listeners) {
      const inbox = new Inbox()
      const client = party.messageBox(host)
      await client.initializeConnection()
      await client.listenForLiveMessages({ messageBox: 'inbox', onMessage: inbox.push })
      traffic.inboxes.push(inbox)
    }
    traffic.client = traffic.sender.messageBox(host)
    await traffic.client.initializeConnection()
    traffic.running = true
    traffic.done = traffic.send()
    return traffic
  }

  async send () {
    for (let n = 0; this.running; n++) {
      const { key } = this.listeners[n % this.listeners.length]
      // Failures while the server is down are not tested here.
      await this.client.sendLiveMessage({ recipient: key, messageBox: 'inbox', body: `message ${n}` }).catch(() => sleep(100))
      // Room for what is measured, on a machine with few cores.
      await sleep(50)
    }
  }

  async stop () {
    this.running = false
    await this.done
  }
}
