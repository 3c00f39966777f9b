/**
 * Finds keys and passwords, by the names of variables and by the look of values. No message repeats a value.
 *
 * @module
 */

import type { Collector } from './collector.js'
import type { LintInstruction } from './instruction.js'
import type { Step } from './stages.js'

/**
 * Words that mark a name as that of a secret; words are separated by `_`, in any case. Spec: moby/buildkit
 * frontend/dockerfile/dockerfile2llb
 */
const SECRET_WORDS = new Set(
  'apikey auth credential credentials key password pword passwd secret token'.split(' '),
)
const HARMLESS_WORDS = new Set(['public', 'file', 'version'])

export function checkSecretName(
  { instruction, name }: { readonly instruction: 'ARG' | 'ENV'; readonly name: string },
  { fields }: Pick<Step, 'fields'>,
  collector: Collector,
): void {
  const words = name.toLowerCase().split('_')
  if (!words.some(word => SECRET_WORDS.has(word)) || words.some(word => HARMLESS_WORDS.has(word))) return
  const shown = JSON.stringify(name)
  const message = `Do not use ARG or ENV instructions for sensitive data (${instruction} ${shown})`
  collector.report('SecretsUsedInArgOrEnv', fields, message)
}

/**
 * Forms of keys that their issuers chose so that they can be found. No pattern backtracks over more than one run of
 * characters.
 */
const LITERALS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a private key', /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----/],
  ['an AWS access key', /\b(AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{20}/],
  ['a Slack token', /\bxox[abeoprs]-[A-Za-z0-9-]{10}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}/],
  ['a Google API key', /\bAIza[0-9A-Za-z_-]{35}/],
  ['a Stripe key', /\b[rs]k_live_[A-Za-z0-9]{16}/],
  ['a password in a URL', /\b(https?|ftp|ssh|git):\/\/[^/\s:@'"$]{1,200}:[^/\s:@'"${}]{1,200}@/],
]

export function checkSecretLiterals(fields: LintInstruction, collector: Collector): void {
  const texts = [fields.raw, ...(fields.heredocs ?? []).map(heredoc => heredoc.content ?? '')]
  for (const [what, pattern] of LITERALS) {
    if (texts.some(text => pattern.test(text))) {
      collector.report('SecretLiteral', fields, `${fields.name} holds what looks like ${what}`)
    }
  }
}

const SECRET_FILES = new Set(
  `id_rsa id_dsa id_ecdsa id_ed25519 .npmrc .pypirc .netrc .env .git-credentials .pgpass .dockercfg
  credentials.json`.split(/\s+/),
)

/** `sources` are paths of the context. */
export function checkSecretFiles(
  fields: LintInstruction,
  sources: readonly string[],
  collector: Collector,
): void {
  for (const source of sources) {
    const name = source.slice(source.lastIndexOf('/') + 1)
    if (!SECRET_FILES.has(name)) continue
    const message = `${fields.name} takes ${JSON.stringify(name)} into the image, a file that usually holds secrets`
    collector.report('SecretFileCopied', fields, message)
  }
}
