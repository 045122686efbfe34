// Skips tests whose programs are missing, with the reason. Where REQUIRE_ALL is set, they fail.

import assert from 'node:assert/strict'
import { accessSync, constants, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const REQUIRED = !['', '0'].includes(process.env.REQUIRE_ALL ?? '')
/** With the folders that an ordinary user's PATH leaves out. */
export const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`

/** The names of the browser on different systems. `tests/needs/need.rs` has the same list. */
const CHROMIUMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

function isProgram (file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** The path of a program, or undefined. */
export function find (program) {
  return PATH.split(':').map(folder => path.join(folder, program)).find(isProgram)
}

/** The path of the browser, or undefined. */
export function findChromium () {
  const { CHROMIUM } = process.env
  if (CHROMIUM) return isProgram(CHROMIUM) ? CHROMIUM : undefined
  return CHROMIUMS.map(find).find(Boolean)
}

export function isThere (program) {
  return (program === 'chromium' ? findChromium() : find(program)) !== undefined
}

/** `test` for tests that need these programs. */
export function testWith (...programs) {
  const missing = programs.filter(program => !isThere(program))
  if (missing.length === 0) return test
  const reason = `needs ${missing.join(', ')}`
  if (REQUIRED) return name => test(name, () => assert.fail(`REQUIRE_ALL is set, and this test ${reason}`))
  return name => test(name, { skip: reason }, () => {})
}
