// Checks a whole value: its cost, and contents that are not allowed (sections 2.2 and 2.3).

import { demand } from './refusal.mjs'
import { utf8Length } from './bytes.mjs'

export const MAX_COST = 16_777_216
export const MAX_PAYLOAD = 4_194_155
const MAX_NODES = 100_000
const MAX_DEPTH = 64
const UNSAFE = new Set(['__proto__', 'constructor', 'prototype'])

const isByte = item => Number.isInteger(item) && item >= 0 && item <= 255

/** True for a dense array of bytes, the empty one as well. */
export function isBytes (value) {
  if (!Array.isArray(value)) return false
  for (let at = 0; at < value.length; at++) if (!(at in value) || !isByte(value[at])) return false
  return true
}

class Walk {
  cost = 0
  nodes = 0
  open = new Set()

  spend (bytes) {
    this.cost += bytes
    demand(this.cost <= MAX_COST, 'message.bytes', 'Authentication message exceeds the byte limit.')
  }

  visit (value, depth) {
    demand(depth <= MAX_DEPTH, 'message.depth')
    demand(++this.nodes <= MAX_NODES, 'message.nodes')
    if (typeof value === 'string') return this.spend(utf8Length(value) + 2)
    if (typeof value === 'number') {
      demand(Number.isFinite(value), 'message.finite')
      return this.spend(24)
    }
    if (value === null || typeof value !== 'object') return this.spend(4)
    demand(!this.open.has(value), 'message.acyclic')
    this.open.add(value)
    if (Array.isArray(value)) this.array(value, depth)
    else this.object(value, depth)
    this.open.delete(value)
  }

  array (value, depth) {
    if (value.length > 0 && isBytes(value)) return this.spend(4 * value.length + 2)
    for (let at = 0; at < value.length; at++) {
      demand(at in value, 'message.dense')
      this.visit(value[at], depth + 1)
    }
    this.spend(2)
  }

  object (value, depth) {
    for (const [key, item] of Object.entries(value)) {
      demand(!UNSAFE.has(key), 'message.keys')
      this.spend(utf8Length(key) + 3)
      this.visit(item, depth + 1)
    }
  }
}

/** Throws if the value breaks a rule. Returns its cost in bytes. */
export function walk (value) {
  const walk = new Walk()
  walk.visit(value, 0)
  return walk.cost
}
