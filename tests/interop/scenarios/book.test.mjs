// The pages of docs/: their commands print what they show, generated pages are up to date, and links have targets.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'

import { blocks, run } from '../support/book.mjs'
import { testWith } from '../support/needs.mjs'
import { PAGES, pageFile } from '../support/reference.mjs'

const folder = path.join(import.meta.dirname, '../../../docs')
const pages = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.md')).sort()
const read = page => readFile(path.join(folder, page), 'utf8')

function hasIPv6 () {
  return Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1')
}

for (const page of pages) {
  const commands = blocks(await read(page))
  if (commands.every(block => block.reason)) continue
  const all = commands.filter(block => !block.reason).map(block => block.commands).join('\n')
  const programs = ['curl', 'nginx', 'haproxy', 'jq'].filter(program => new RegExp(`(^|[\\s(;|])${program} `, 'm').test(all))
  testWith(...programs)(`the commands of ${page}`, async context => {
    for (const { commands: skipped, reason } of commands.filter(block => block.reason)) context.diagnostic(`not run, ${reason}: ${skipped}`)
    if (all.includes('[::1]') && !hasIPv6()) return context.skip('this machine has no IPv6')
    const { wrong, count } = await run(path.join(folder, page))
    assert.ok(count > 0)
    assert.deepEqual(wrong, [])
  })
}

for (const [name, write] of Object.entries(PAGES)) {
  test(`reference/${name}.md is what the code says`, async () => {
    const written = await readFile(pageFile(name), 'utf8')
    assert.ok(written === await write(), 'it is stale: npm --prefix tests/interop run reference')
  })
}

test('every page is in the contents, and every link leads somewhere', async () => {
  const contents = await read('README.md')
  for (const page of pages.filter(page => page !== 'README.md')) {
    // A folder with many pages has its own list, which the contents name.
    const list = path.join(path.dirname(page), 'README.md')
    const isListed = page !== list && pages.includes(list) && (await read(list)).includes(`(${path.basename(page)})`)
    assert.ok(isListed || contents.includes(`(${page})`), `${page} is not in the contents`)
  }
  for (const page of pages.filter(page => !page.startsWith('reference/'))) {
    for (const [, target] of (await read(page)).matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(path.resolve(folder, path.dirname(page), target)), `${page}: ${target}`)
    }
  }
})
