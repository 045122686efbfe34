// Refusals of the newest clients. Every refusal names its rule.

import { RULES } from './rules.mjs'

export class Refusal extends Error {
  constructor (rule, text, code) {
    if (!(rule in RULES)) throw new TypeError(`the rule ${rule} is not in the table`)
    super(`[${rule}] ${text ?? RULES[rule]}`)
    this.name = 'Refusal'
    this.rule = rule
    if (code !== undefined) this.code = code
  }
}

/** Throws the refusal of this rule unless the condition holds. */
export function demand (condition, rule, text, code) {
  if (!condition) throw new Refusal(rule, text, code)
}
