// Plugins of sealer: what of a file is wrong, document by document.
import { parseKubefile } from '@pipelayer/kubefile'
import t from 'tap'
import { isPluginFile, lint, pluginProblems } from '../src/index.js'

const problems = (text: string): readonly string[] =>
  pluginProblems(text, 'p').map(({ message }) => message.replace(/: expected [A-Zu-z].*/, ''))

t.test('documents', t => {
  const plugin = (spec: string, name = ''): string =>
    `kind: Plugin\nmetadata: {name: ${name}}\nspec: {${spec}}\n`
  const rows: readonly (readonly [text: string, want: readonly string[], why: string])[] = [
    [plugin('type: SHELL, action: PostInstall'), [], 'sealer 0.7'],
    [plugin('type: Taint, action: PreGuest, on: a'), [], 'another type'],
    [plugin('type: SHELL, action: pre-init-host, scope: master'), [], 'sealer 0.9'],
    [plugin('type: SHELL, action: pre-install|post-install'), [], 'several actions of sealer 0.9'],
    [plugin('type: NOPE, action: PreInit', 'x'), ['p:3: the plugin x has the unknown type "NOPE"'], 'a type'],
    [
      plugin('type: shell, action: PreInit'),
      ['p:3: a plugin has the unknown type "shell"'],
      'the case counts',
    ],
    [
      plugin('type: SHELL, action: PreInit|PostInstall'),
      ['p:3: a plugin has the unknown action "PreInit|PostInstall"'],
      'two actions of sealer 0.7',
    ],
    ['kind: Plugin\n', ['p:1: a plugin has no type', 'p:1: a plugin has no action'], 'no spec'],
    ['kind: Config\nspec: {type: NOPE}\n', [], 'another kind'],
    ['', [], 'nothing'],
    ['a: [', ['p:1:5: unexpected end of the stream within a flow collection'], 'no YAML'],
  ]
  for (const [text, want, why] of rows) t.same(problems(text), want, why)
  const good = plugin('type: SHELL, action: PreInit')
  const ten = [
    good,
    good,
    good,
    'kind: Plugin\nspec: {type: [\n',
    ...Array(5).fill(good),
    plugin('type: NOPE, action: PreInit'),
  ].join('---\n')
  t.match(
    problems(ten),
    [
      'p:14:15: unexpected end of the stream within a flow collection',
      'p:38: a plugin has the unknown type "NOPE"',
    ],
    'ten documents, one of them broken',
  )
  t.match(problems('---\n'.repeat(3000)), [/more than 1000 documents/], 'thousands of documents')
  t.match(
    pluginProblems(plugin('type: A, action: B'), 'p').map(one => one.message),
    [/expected SHELL, LABEL, Taint/, /expected Originally, .*post-install$/],
  )
  t.same(['a.yaml', 'a.YML', 'a.yaml.bak', 'a.so'].map(isPluginFile), [true, true, false, false])
  t.end()
})

t.test('what COPY brings', t => {
  const asked: string[] = []
  const found = (text: string): readonly string[] => {
    const list = parseKubefile(Buffer.from(`FROM kubernetes:v1.22.15\n${text}\n`), {
      file: 'K',
      dialect: 'kubefile-classic',
    })
    const files = (source: string): readonly { name: string; text: string }[] => {
      asked.push(source)
      return [{ name: 'x.yaml', text: 'kind: Plugin\nspec: {type: NOPE, action: PreInit}\n' }]
    }
    return lint(list, { files }).findings.map(({ rule, line }) => `${rule}:${line}`)
  }
  const rows: readonly (readonly [text: string, want: readonly string[], source: string])[] = [
    ['COPY x.yaml plugins', ['PluginInvalid:2'], 'x.yaml'],
    ['COPY x.yaml ./plugins/', ['PluginInvalid:2'], 'x.yaml'],
    ['COPY plugins plugins', ['PluginInvalid:2'], 'plugins'],
    ['COPY plugins .', ['PluginInvalid:2'], 'plugins'],
    ['COPY . .', ['PluginInvalid:2'], './plugins'],
    ['COPY x.yaml plugin', ['PluginFolder:2'], ''],
    ['COPY plugin .', ['PluginFolder:2'], ''],
    ['COPY x.yaml etc', [], ''],
  ]
  for (const [text, want, source] of rows) {
    asked.length = 0
    t.same(found(text), want, text)
    t.same(asked, source === '' ? [] : [source], text)
  }
  t.end()
})
