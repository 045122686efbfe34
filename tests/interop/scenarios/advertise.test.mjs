// Advertisements of hosts: the published client finds those of the command and the server, and the other way round.

import { reroute } from '../support/reroute.mjs'

import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'

import { AdvertisingWallet } from '../support/advertising-wallet.mjs'
import { Party, closeAll } from '../support/clients.mjs'
import { end, run } from '../support/command.mjs'
import { OverlayService } from '../support/overlay.mjs'
import { TestServer } from '../support/server.mjs'

const [FIRST, SECOND] = ['https://one.box.example.org', 'https://two.box.example.org/api']
const DEFAULT = 'https://default.box.example.org'

let overlay
const wallets = new Set()
before(async () => {
  overlay = await OverlayService.start()
  reroute(overlay.url)
})
afterEach(async () => {
  await closeAll()
  for (const wallet of wallets) await wallet.stop()
  wallets.clear()
  Object.assign(overlay, { refuses: false, aggregates: true })
})
after(async () => { await overlay.stop() })

/** A party with a wallet, the published client, and the command. */
async function advertiser () {
  const party = new Party()
  party.wallet = await new AdvertisingWallet(party.privateKey).serve()
  wallets.add(party.wallet)
  const env = { ...overlay.env, WALLET_URL: party.wallet.url }
  return {
    party,
    env,
    wallet: party.wallet,
    client: party.messageBox(DEFAULT),
    run: async (...args) => await run(party, 'http://127.0.0.1:1', args, '', env),
    end: async (...args) => await end(party, 'http://127.0.0.1:1', args, '', env)
  }
}

/** The host to which another client sends messages for this party. */
async function resolved (party) {
  return await new Party().messageBox(DEFAULT).resolveHostForRecipient(party.key)
}

const hosts = tokens => tokens.map(({ host }) => host)

test('the published client finds an advertisement of the command until it is revoked', async () => {
  const alice = await advertiser()
  assert.equal(await resolved(alice.party), DEFAULT)
  assert.deepEqual((await alice.run('advertisements')).advertisements, [])
  const first = await alice.run('advertise', '--host', `${FIRST}/`)
  assert.deepEqual([first.identityKey, first.host, first.standing], [alice.party.key, FIRST, 'made'])
  const [token] = await alice.client.queryAdvertisements()
  assert.deepEqual([token.host, token.txid], [FIRST, first.txid])
  assert.equal(await resolved(alice.party), FIRST)
  // Again: nothing is paid.
  const again = await alice.run('advertise', '--host', FIRST)
  assert.deepEqual([again.txid, again.standing, alice.wallet.made], [first.txid, 'stood', 1])
  // Another host replaces it.
  const second = await alice.run('advertise', '--host', SECOND)
  assert.deepEqual([second.standing, hosts(second.revoked)], ['made', [FIRST]])
  assert.deepEqual(hosts(await alice.client.queryAdvertisements()), [SECOND])
  assert.equal(await resolved(alice.party), SECOND)
  const elsewhere = await alice.run('revoke', '--host', FIRST)
  assert.deepEqual([elsewhere.txid, elsewhere.revoked], [null, []])
  assert.deepEqual(hosts((await alice.run('revoke')).revoked), [SECOND])
  assert.deepEqual(await alice.client.queryAdvertisements(), [])
  assert.equal(await resolved(alice.party), DEFAULT)
})

test('the command lists, revokes and replaces advertisements of the published client', async () => {
  const bob = await advertiser()
  for (const aggregates of [true, false]) {
    overlay.aggregates = aggregates
    const { txid } = await bob.client.anointHost(FIRST)
    const { identityKey, advertisements } = await bob.run('advertisements')
    assert.deepEqual([identityKey, advertisements], [bob.party.key, [{ host: FIRST, outpoint: `${txid}.0` }]])
    assert.equal((await bob.run('advertise', '--host', FIRST)).standing, 'stood')
    assert.deepEqual(hosts((await bob.run('revoke', '--host', FIRST)).revoked), [FIRST])
    assert.deepEqual(await bob.client.queryAdvertisements(), [])
  }
  await bob.client.anointHost(FIRST)
  assert.deepEqual(hosts((await bob.run('advertise', '--host', SECOND)).revoked), [FIRST])
  // The client spends the command's output.
  await bob.client.anointHost(FIRST)
  assert.deepEqual(hosts(await bob.client.queryAdvertisements()), [FIRST])
  await bob.run('advertise', '--host', SECOND)
  await bob.client.revokeHostAdvertisement((await bob.client.queryAdvertisements())[0])
  assert.deepEqual((await bob.run('advertisements', bob.party.key)).advertisements, [])
})

test('several advertisements are distinguished in every form of the answer, and revoked together', async () => {
  const carol = await advertiser()
  for (const aggregates of [true, false]) {
    overlay.aggregates = aggregates
    for (const host of [FIRST, SECOND]) {
      await carol.run('advertise', '--host', host)
      // The next command finds nothing to replace.
      const kept = new Map(overlay.known)
      overlay.known.clear()
      overlay.kept = new Map([...(overlay.kept ?? []), ...kept])
    }
    overlay.known = overlay.kept
    overlay.kept = undefined
    const { advertisements } = await carol.run('advertisements')
    assert.deepEqual(hosts(advertisements).sort(), [FIRST, SECOND])
    const { revoked } = await carol.run('revoke')
    assert.deepEqual(hosts(revoked).sort(), [FIRST, SECOND])
    assert.deepEqual(await carol.client.queryAdvertisements(), [])
  }
})

test('a refused advertisement is submitted again and not paid again', async () => {
  const dave = await advertiser()
  overlay.refuses = true
  const failed = await dave.end('advertise', '--host', FIRST)
  assert.equal(failed.code, 1, failed.said)
  assert.match(failed.said, /was made, and the overlay network did not take it/)
  assert.match(failed.said, /not paid for again/)
  overlay.refuses = false
  const again = await dave.run('advertise', '--host', FIRST)
  assert.deepEqual([again.standing, dave.wallet.made], ['repeated', 1])
  assert.equal(await resolved(dave.party), FIRST)
  // The same where it replaces another.
  overlay.refuses = true
  assert.equal((await dave.end('advertise', '--host', SECOND)).code, 1)
  overlay.refuses = false
  const second = await dave.run('advertise', '--host', SECOND)
  assert.deepEqual([second.standing, hosts(second.revoked), second.foreign], ['repeated', [FIRST], []])
  assert.equal(dave.wallet.made, 2)
  assert.deepEqual(hosts(await dave.client.queryAdvertisements()), [SECOND])
})

test('an advertisement of another wallet is reported and kept', async () => {
  const erin = await advertiser()
  await erin.client.anointHost(FIRST)
  erin.wallet.outputs.clear()
  const failed = await erin.end('revoke')
  assert.equal(failed.code, 1, failed.said)
  assert.match(failed.said, /this wallet does not have/)
  const added = await erin.run('advertise', '--host', SECOND)
  assert.deepEqual([hosts(added.foreign), added.revoked], [[FIRST], []])
})

test('the server advertises itself at the start, if wallet and overlay answer', async () => {
  const { party, wallet, env } = await advertiser()
  overlay.refuses = true
  const server = await TestServer.start({
    ...env,
    SERVER_PRIVATE_KEY: party.privateKey.toHex().padStart(64, '0'),
    ADVERTISE_HOST: 'true',
    HOSTING_DOMAIN: 'one.box.example.org'
  })
  try {
    await server.logged('the server is not advertised: transaction ')
    overlay.refuses = false
    await server.logged('advertised host=https://one.box.example.org')
    assert.equal(await resolved(party), FIRST)
    assert.equal(wallet.made, 1)
    await server.restart()
    await server.logged('standing=stood')
    assert.equal(wallet.made, 1)
  } finally {
    await server.stop()
  }
})

test('the server starts even if it cannot be advertised', async () => {
  const { env } = await advertiser()
  const cases = [
    [{ HOSTING_DOMAIN: 'one.box.example.org' }, 'it belongs to another identity'],
    [{ HOSTING_DOMAIN: 'http://localhost' }, 'HOSTING_DOMAIN is "http://localhost"'],
    [{ HOSTING_DOMAIN: 'one.box.example.org', WALLET_URL: '' }, 'WALLET_URL is not set'],
    [{ HOSTING_DOMAIN: 'one.box.example.org', SLAP_TRACKERS: 'http://tracker.example' }, 'SLAP_TRACKERS has']
  ]
  for (const [more, reason] of cases) {
    const server = await TestServer.start({ ...env, ADVERTISE_HOST: 'true', ...more })
    try {
      await server.logged(`the server is not advertised: `)
      await server.logged(reason)
    } finally {
      assert.equal(await server.stop(), 0)
    }
  }
})
