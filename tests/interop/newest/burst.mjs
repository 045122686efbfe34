// Sends many messages at once, in its own thread: a receiver on the same thread would be as late as the sender.

import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { once } from 'node:events'

import { Party } from './party.mjs'
import { Refusal } from './refusal.mjs'

/** Sends each recipient these bodies. `stopped()` runs before, and `gathered()` once the requests are in flight. */
export async function burst ({ host, recipients, messageBox, bodies }, stopped, gathered) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { host, recipients, messageBox, bodies } })
  try {
    await once(worker, 'message')
    stopped()
    worker.postMessage('go')
    await once(worker, 'message')
    gathered()
    const [failure] = await once(worker, 'message')
    if (failure !== '') throw new Refusal('scenario', `a message of the burst failed: ${failure}`)
  } finally {
    await worker.terminate()
  }
}

async function send ({ host, recipients, messageBox, bodies }) {
  const box = new Party().box(host)
  // The handshake comes before the burst.
  await box.authFetch.fetch(`${host}/devices`)
  parentPort.postMessage('ready')
  await once(parentPort, 'message')
  const sent = Promise.allSettled(recipients.flatMap(recipient => bodies.map(body =>
    box.sendMessage({ recipient, messageBox, body, skipEncryption: true }))))
  setTimeout(() => parentPort.postMessage('gathered'), 1_500)
  const failed = (await sent).find(({ status }) => status === 'rejected')
  parentPort.postMessage(failed === undefined ? '' : failed.reason.message)
}

if (!isMainThread) await send(workerData)
