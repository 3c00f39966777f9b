import t from 'tap'
import { HOLE, isLimit, parseTemplate, Renderer, UNKNOWN, type Value } from '../src/index.js'
import { expressionsOf } from '../src/parser.js'
import { fitsConstraint } from '../src/semver.js'

function toValue(value: unknown): Value {
  if (Array.isArray(value)) return value.map(toValue)
  if (typeof value === 'object' && value !== null)
    return new Map(Object.entries(value).map(([key, one]) => [key, toValue(one)]))
  return value === null ? undefined : (value as Value)
}

function rendered(text: string, data: unknown = {}, defines = ''): string {
  const renderer = new Renderer()
  renderer.define(parseTemplate(defines, 'd'))
  const parsed = parseTemplate(text, 't')
  renderer.define(parsed)
  return renderer.render(parsed, toValue(data)).text
}

type Row = readonly [text: string, data: unknown, want: string, why: string]

t.test('actions', async t => {
  const rows: readonly Row[] = [
    ['a {{- 1 -}} b', {}, 'a1b', 'blanks are trimmed'],
    [
      'a {{/* b }} */}}{{- /* c */ -}}  d',
      {},
      'a d',
      'comments, of which only the one beside a text trims it',
    ],
    ['{{ .a.b }}{{ $.a.b }}', { a: { b: 'x' } }, 'xx', 'fields of the dot and of $'],
    ['{{ "a\\n\\u0041" }}{{ `b\\n` }}{{ 0x10 }}{{ 010 }}{{ 0x1p4 }}', {}, 'a\nAb\\n16816', 'literals'],
    ['{{ if .a }}1{{ else if .b }}2{{ else }}3{{ end }}', { b: 1 }, '2', 'else if'],
    ['{{ if and .a (not .b) }}1{{ end }}{{ if or .a .b }}2{{ end }}', { a: 1 }, '12', 'and, or, not'],
    ['{{ with .a }}{{ .b }}{{ else }}n{{ end }}', { a: { b: 'x' } }, 'x', 'with sets the dot'],
    ['{{ with .a }}{{ .b }}{{ else with .c }}{{ . }}{{ end }}', { c: 'x' }, 'x', 'else with'],
    ['{{ range $i, $x := .a }}{{ $i }}{{ $x }}{{ end }}', { a: ['x', 'y'] }, '0x1y', 'a list'],
    [
      '{{ range $k, $v := .a }}{{ $k }}={{ $v }};{{ end }}',
      { a: { z: 1, b: 2 } },
      'b=2;z=1;',
      'a map by its keys',
    ],
    ['{{ range .a }}x{{ else }}none{{ end }}', { a: [] }, 'none', 'an empty range'],
    [
      '{{ range .a }}{{ if eq . 2.0 }}{{ continue }}{{ end }}{{ if eq . 4.0 }}{{ break }}{{ end }}{{ . }}{{ end }}',
      { a: [1, 2, 3, 4, 5] },
      '13',
      'leaps',
    ],
    [
      '{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}',
      {},
      '2',
      'an outer variable is set',
    ],
    [
      '{{ define "n" }}[{{ . }}]{{ end }}{{ template "n" .a }}{{ include "n" "y" }}',
      { a: 'x' },
      '[x][y]',
      'named templates',
    ],
    ['{{ block "n" .a }}<{{ . }}>{{ end }}', { a: 'x' }, '<x>', 'a block is defined and used'],
    ['{{ tpl "{{ .a }}" . }}{{ tpl "plain" . }}', { a: 'x' }, 'xplain', 'tpl'],
    ['{{ (index .l 1).a }}{{ (.none).a }}', { l: [{}, { a: 'x' }] }, 'x', 'fields behind parentheses'],
    ['{{ .none }}|{{ .none | default "d" }}', {}, '|d', 'nil prints nothing'],
    [
      '{{ 1.0 }} {{ .f }} {{ .big }} {{ .small }} {{ int .big }}',
      { f: 1.5, big: 20230101, small: 0.00001 },
      '1 1.5 2.0230101e+07 1e-05 20230101',
      'floats as Go prints them',
    ],
    ['{{ .l }}{{ .m }}', { l: [1, 'a'], m: { b: 1, a: null } }, '[1 a]map[a:<nil> b:1]', 'lists and maps'],
  ]
  for (const [text, data, want, why] of rows) t.equal(rendered(text, data), want, why)
})

t.test('functions', async t => {
  const rows: readonly Row[] = [
    [
      '{{ printf "%s/%s:%s" "a" "b" "c" }}{{ printf "%d%%|%q|%5s|%-3s|%03d|%.2f|%x" 5 "q" "r" "l" 7 1.5 255 }}',
      {},
      'a/b:c5%|"q"|    r|l  |007|1.50|ff',
      'printf',
    ],
    ['{{ printf "%s" .n }}', { n: 1.5 }, '1.5', 'a number as a text'],
    [
      '{{ "v1" | trimPrefix "v" }}{{ trimSuffix "-" "a-" }}{{ trimAll "/" "/a/" }}{{ trim " b " }}',
      {},
      '1aab',
      'trimming',
    ],
    [
      '{{ ternary "a" "b" true }}{{ true | ternary "a" "b" }}{{ coalesce "" .x "c" }}{{ empty "" }}',
      {},
      'aactrue',
      'choices',
    ],
    [
      '{{ $d := dict "a" 1 "b" (dict "c" "x") }}{{ $d.b.c }}{{ get $d "a" }}{{ hasKey $d "z" }}{{ keys $d }}',
      {},
      'x1false[a b]',
      'maps',
    ],
    [
      '{{ $d := dict "a" 1 }}{{ $_ := set $d "b" 2 }}{{ $d.b }}{{ $_ := unset $d "b" }}{{ $d }}',
      {},
      '2map[a:1]',
      'a map is changed',
    ],
    [
      '{{ merge (dict "a" 1) (dict "a" 2 "b" 3) }}{{ mergeOverwrite (dict "a" 1) (dict "a" 2) }}',
      {},
      'map[a:1 b:3]map[a:2]',
      'merging',
    ],
    [
      '{{ pick (dict "a" 1 "b" 2) "a" }}{{ omit (dict "a" 1 "b" 2) "a" }}{{ dig "a" "b" "d" (dict "a" (dict "b" "x")) }}',
      {},
      'map[a:1]map[b:2]x',
      'parts of maps',
    ],
    [
      '{{ list 1 2 | first }}{{ last (list 1 2) }}{{ rest (list 1 2) }}{{ initial (list 1 2) }}{{ has 1 (list 1) }}{{ append (list 1) 2 }}{{ uniq (list 1 1) }}{{ compact (list "" 1) }}{{ concat (list 1) (list 2) }}{{ without (list 1 2) 1 }}{{ len (list 1 2) }}',
      {},
      '12[2][1]true[1 2][1][1][1 2][2]2',
      'lists',
    ],
    [
      '{{ "a,b" | splitList "," | join "-" }}{{ (split "@" "x@y")._1 }}{{ until 3 }}{{ slice (list 1 2 3) 1 }}',
      {},
      'a-by[0 1 2][2 3]',
      'splitting, counting',
    ],
    [
      '{{ "a" | upper | lower | quote }}{{ squote "b" }}{{ "a b" | nospace }}{{ replace "+" "_" "a+b" }}{{ trunc 2 "abc" }}{{ substr 1 2 "abc" }}{{ repeat 2 "x" }}{{ contains "b" "abc" }}{{ hasPrefix "a" "abc" }}{{ hasSuffix "a" "abc" }}',
      {},
      '"a"\'b\'aba_babbxxtruetruefalse',
      'texts',
    ],
    ['{{ "a\\nb" | indent 2 }}{{ "c" | nindent 1 }}', {}, '  a\n  b\n c', 'indentation'],
    [
      '{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 3 2 }} {{ min 3 1 }} {{ ceil 1.2 }} {{ atoi "7" }}',
      {},
      '6 3 6 3 1 3 1 2 7',
      'numbers',
    ],
    [
      '{{ eq 1 1 }}{{ eq "a" "b" "a" }}{{ ne 1 2 }}{{ lt 1 2 }}{{ ge "b" "a" }}{{ le 2 1 }}{{ gt 2 1 }}',
      {},
      'truetruetruetruetruefalsetrue',
      'comparisons',
    ],
    [
      '{{ kindIs "map" . }}{{ kindOf "a" }}{{ typeIs "string" "a" }}{{ kindIs "invalid" .none }}',
      {},
      'truestringtruetrue',
      'kinds',
    ],
    ['{{ required "m" "a" }}{{ fail "no" }}{{ lookup "v1" "Secret" "a" "b" }}', {}, 'amap[]', 'Helm'],
    ['{{ b64enc "a" | b64dec }}{{ sha256sum "" | trunc 4 }}', {}, 'ae3b0', 'encodings'],
    [
      '{{ regexReplaceAll "\\\\W+" "a+b" "-" }}{{ regexMatch "^v[0-9]" "v1" }}{{ regexFind "[0-9]+" "a12" }}',
      {},
      'a-btrue12',
      'patterns',
    ],
    [
      '{{ pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" 3) }}{{ any "" 1 }}{{ all 1 "" }}',
      {},
      '[1 3]truefalse',
      'pluck, any, all',
    ],
    ['{{ (semver "v1.2.3-rc.1").Minor }}', {}, '2', 'a version'],
  ]
  for (const [text, data, want, why] of rows) t.equal(rendered(text, data), want, why)
  const versions: readonly (readonly [string, string, boolean | undefined])[] = [
    ['>=1.19-0', '1.29.0', true],
    ['>=1.19-0', '1.20.0-eks', true],
    ['>=1.19', '1.20.0-eks', false],
    ['>=1.14, <1.19', '1.20.0', false],
    ['<1.14-0 || ^1.2', '1.3.0', true],
    ['~1.2.3', '1.2.9', true],
    ['~1.2', '1.3.0', false],
    ['1.2', '1.2.7', true],
    ['^0.2.3', '0.3.0', false],
    ['!=1.0.0', '1.0.1', true],
    ['nothing', '1.0.0', undefined],
  ]
  for (const [constraint, version, want] of versions)
    t.equal(fitsConstraint(constraint, version), want, `${version} ${constraint}`)
})

t.test('what is not known', async t => {
  const rows: readonly Row[] = [
    ['{{ randAlphaNum 5 }}', {}, HOLE, 'an unknown function'],
    ['{{ .a.b }}', {}, HOLE, 'a field of nil'],
    ['{{ if randAlphaNum 1 }}a{{ else }}b{{ end }}', {}, 'ab', 'both branches'],
    ['{{ range genCA }}a{{ . }}{{ end }}', {}, `a${HOLE}`, 'a range'],
    ['{{ printf "%s:%s" now "x" }}{{ now | quote }}', {}, `${HOLE}:x"${HOLE}"`, 'a part of a text'],
    ['{{ include "none" . }}{{ template "none" . }}', {}, `${HOLE}${HOLE}`, 'a template that is not there'],
    ['{{ and false now }}{{ or now true }}', {}, `false${HOLE}`, 'what decides all the same'],
    ['{{ tpl "{{ end }}" . }}', {}, HOLE, 'a broken tpl'],
    [
      '{{ regexReplaceAll "(a+)+$" .a "" }}{{ regexMatch "a*a*a*" "a" }}{{ regexMatch "[" "a" }}',
      { a: 'a' },
      HOLE.repeat(3),
      'regular expressions that may take long',
    ],
    ['{{ any now "" }}{{ all now 1 }}', {}, `${HOLE}${HOLE}`, 'any and all'],
  ]
  for (const [text, data, want, why] of rows) t.equal(rendered(text, data), want, why)
  t.equal(new Renderer().render(parseTemplate('{{ . }}', 't'), UNKNOWN).text, HOLE)
})

t.test('lines', async t => {
  const text = 'a:\n{{- if true }}\n  b: {{ "x\\ny" }}\n{{- end }}\n\nc: {{ include "n" . }}\n'
  const renderer = new Renderer()
  renderer.define(parseTemplate('{{ define "n" }}1\n2{{ end }}', 'd'))
  const result = renderer.render(parseTemplate(text, 't'), new Map())
  t.same(
    result.text.split('\n').map((line, at) => [line, result.lines[at]]),
    [
      ['a:', 1],
      ['  b: x', 3],
      ['y', 3],
      ['', undefined],
      ['c: 1', 6],
      ['2', 6],
      ['', undefined],
    ],
  )
  t.equal(
    [...expressionsOf(parseTemplate('{{ if .a }}{{ (.b) }}{{ end }}{{ define "x" }}{{ $.c }}{{ end }}', 't'))]
      .length,
    4,
  )
})

t.test('texts that are no templates', async t => {
  const rows: readonly (readonly [text: string, message: RegExp])[] = [
    ['a\n{{ .a', /^t:2: an action does not end/],
    ['{{ "a }}', /^t:1: .*no part of an action/],
    ['{{/* a', /^t:1: a comment does not end/],
    ['{{ if .a }}', /^t:1: this action has no "end"/],
    ['{{ end }}', /^t:1: "end" closes nothing/],
    ['{{ if .a }}{{ else range .b }}{{ end }}', /only "if" and "with"/],
    ['{{ define "a" }}{{ else }}{{ end }}', /belongs to no condition/],
    ['{{ (.a }}', /a parenthesis does not end/],
    ['{{ | }}', /a value is missing/],
    ['{{ .a ) }}', /unexpected "\)"/],
    ['{{ template .a }}', /the name of a template is missing/],
    ['{{ 1x }}', /"1x" is no number/],
    ['{{ if if }}{{ end }}', /unexpected "if"/],
    [`${'{{ if 1 }}'.repeat(1000)}`, /more than 200 blocks/],
    [`{{ ${'('.repeat(1000)} }}`, /more than 100 parentheses/],
    ['{{'.repeat(100_000), /no part of an action/],
  ]
  for (const [text, message] of rows)
    t.throws(() => parseTemplate(text, 't'), { code: 'TEMPLATE_INVALID', message }, text.slice(0, 40))
})

t.test('templates made to cost too much', async t => {
  const self = '{{ define "s" }}{{ include "s" . }}{{ end }}'
  t.equal(rendered('a{{ include "s" . }}b', {}, self), `a${HOLE}b`, 'a template that includes itself')
  t.equal(
    rendered('a{{ template "s" . }}b', {}, '{{ define "s" }}{{ template "s" . }}{{ end }}'),
    `a${HOLE}b`,
  )
  const two = '{{ define "s" }}{{ include "s" . }}{{ include "s" . }}{{ end }}'
  t.equal(rendered('{{ include "s" . }}', {}, two), HOLE, 'two at a time')
  const limited: readonly (readonly [text: string, defines: string, why: string])[] = [
    ['{{ repeat 100000000 "x" }}', '', 'a long text'],
    ['{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}', '', 'many rounds'],
    [`{{ $x := "x" }}${'{{ $x = printf "%s%s" $x $x }}'.repeat(60)}`, '', 'doubling'],
    ['{{ range until 10000 }}{{ repeat 1000 "x" }}{{ end }}', '', 'much output'],
    [
      '{{ $x := repeat 1000000 "x" }}{{ range until 10000 }}{{ $y := upper $x }}{{ end }}',
      '',
      'a long text, many times',
    ],
    [
      '{{ $x := repeat 1000000 "x" }}{{ $l := list }}{{ range until 1000 }}{{ $l = append $l $x }}{{ end }}{{ join "," $l }}',
      '',
      'a long text many times in a list',
    ],
  ]
  for (const [text, defines, why] of limited) {
    try {
      rendered(text, {}, defines)
      t.fail(why)
    } catch (error) {
      t.ok(isLimit(error), why)
    }
  }
  const cycle = '{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $_ := set $d "b" $d }}{{ $d }}{{ deepCopy $d }}'
  try {
    rendered(cycle)
    t.fail('a map in itself')
  } catch (error) {
    t.ok(isLimit(error), 'a map in itself')
  }
  t.ok(rendered(`{{ ${'1 | add 1 | '.repeat(10_000)} add 1 }}`).length > 0, 'a long pipeline')
})
