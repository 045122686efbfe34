// first.mjs: run it with `node first.mjs`
import { MessageBoxClient } from '@bsv/message-box-client'
import { PrivateKey, ProtoWallet } from '@bsv/sdk'

const host = 'http://localhost:8080'
const party = () => {
  const key = PrivateKey.fromRandom()
  const client = new MessageBoxClient({ host, walletClient: new ProtoWallet(key), networkPreset: 'local' })
  return { key: key.toPublicKey().toString(), client }
}
const [alice, bob] = [party(), party()]

await bob.client.initializeConnection()
await bob.client.listenForLiveMessages({
  messageBox: 'inbox',
  onMessage: message => console.log('live:', message.body)
})
await alice.client.initializeConnection()
await alice.client.sendLiveMessage({ recipient: bob.key, messageBox: 'inbox', body: 'hello' })

const messages = await bob.client.listMessages({ messageBox: 'inbox', host })
console.log('stored:', messages.map(message => message.body))
await bob.client.acknowledgeMessage({ messageIds: messages.map(message => message.messageId), host })
process.exit()
