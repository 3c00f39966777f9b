// What --fix writes, and what it leaves.
import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import t from 'tap'
import { fixText, lint } from '../src/index.js'

const fixed = (text: string): string =>
  fixText(text, lint(fileFields(parseDockerfile(Buffer.from(text, 'latin1')), 'F')).findings)

t.test('what is safe is mended', async t => {
  for (const [text, want, why] of [
    ['FROM a:1 as b', 'FROM a:1 AS b', 'as'],
    ['from a:1 AS b', 'from a:1 as b', 'AS'],
    [
      'FROM a:1\nCMD node server.js --port=80',
      'FROM a:1\nCMD ["node", "server.js", "--port=80"]',
      'plain words',
    ],
    ['FROM a:1\n  ENTRYPOINT ./run\t', 'FROM a:1\n  ENTRYPOINT ["./run"]\t', 'blanks stay'],
    ['FROM a:1\nRUN apk add --no-cache b a', 'FROM a:1\nRUN apk add --no-cache a b', 'packages'],
    [
      'FROM a:1\nRUN apt-get update && apt-get install -y \\\n  zip \\\n  -t x curl; rm -rf /var/lib/apt/lists/*',
      'FROM a:1\nRUN apt-get update && apt-get install -y \\\n  curl \\\n  -t x zip; rm -rf /var/lib/apt/lists/*',
      'lines and options stay',
    ],
    ['# \xff\nFROM a:1 as b\r\nRUN x', '# \xff\nFROM a:1 AS b\r\nRUN x', 'other bytes stay'],
  ] as const) {
    t.equal(fixed(text), want, why)
    t.equal(fixed(want), want, `${why}: once is enough`)
  }
})

t.test('what is not certain is left', async t => {
  for (const [text, why] of [
    ['FROM a:1\nCMD exec node x', 'a word of the shell'],
    ['FROM a:1\nCMD a=b node', 'an assignment'],
    ['FROM a:1\nCMD echo $HOME', 'a variable'],
    ['FROM a:1\nCMD a && b', 'two commands'],
    ['FROM a:1\nCMD a \\\n b', 'several lines'],
    ['FROM a:1\nRUN apk add --no-cache "b" a', 'quotes'],
    ['FROM a:1\nRUN apk add --no-cache \\\n b \\\n# why\n a', 'comments'],
    ['FROM a:1\n# kf-lint ignore=JSONArgsRecommended\nCMD a b', 'a finding that is skipped'],
  ] as const)
    t.equal(fixed(text), text, why)
})
