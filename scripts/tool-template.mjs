// The files of a new tool.

/** The contents of the files by path below tools/NAME. */
export function toolFiles(name, version) {
  const camel = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
  return {
    'package.json': `${JSON.stringify(manifest(name, version), null, 2)}\n`,
    'tsconfig.json': `${JSON.stringify(TSCONFIG, null, 2).replace(/\[\s+"src"\s+\]/, '["src"]')}\n`,
    'README.md': readme(name, camel),
    'src/index.ts': index(camel),
    'src/cli.ts': cli(name, camel),
    [`test/${name}.test.ts`]: test(camel),
  }
}

const TSCONFIG = {
  extends: '../../tsconfig.base.json',
  compilerOptions: { rootDir: 'src', outDir: 'dist' },
  include: ['src'],
}

function manifest(name, version) {
  return {
    name: `@pipelayer/${name}`,
    version,
    description: 'pass records on',
    license: 'Apache-2.0',
    type: 'module',
    engines: { node: '>=20.12' },
    bin: { [name]: 'dist/cli.cjs' },
    pipelayer: { reads: 'records', writes: 'records', contract: { args: [], input: '' } },
    exports: {
      '.': {
        '@pipelayer/source': './src/index.ts',
        types: './dist/index.d.ts',
        default: './dist/index.js',
      },
    },
    files: ['dist', '!dist/*.code', 'README.md'],
    scripts: {
      build: 'node ../../scripts/build-package.mjs',
      test: 'node ../../scripts/test-package.mjs',
      lint: 'biome check .',
    },
    dependencies: { '@pipelayer/cli': version, '@pipelayer/records': version },
  }
}

function index(camel) {
  return `import type { AnyRecord } from '@pipelayer/records'

/** Passes every record on, in order. */
export async function* ${camel}(records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord, void, void> {
  for await (const record of records) yield record
}
`
}

function cli(name, camel) {
  return `import { runTool } from '@pipelayer/cli'
import { ${camel} } from './index.js'

runTool({
  name: '${name}',
  summary: 'pass records on',
  options: {},
  input: 'records',
  run: records => ${camel}(records),
})
`
}

function test(camel) {
  return `import { type AnyRecord, collect } from '@pipelayer/records'
import t from 'tap'
import { ${camel} } from '../src/index.js'

t.test('records pass, in order', async t => {
  const rows: readonly { records: readonly AnyRecord[]; why: string }[] = [
    { records: [], why: 'an empty stream' },
    { records: [{ type: 'a' }, { type: 'b', field: 1 }], why: 'unknown types and fields' },
  ]
  for (const { records, why } of rows) t.same(await collect(${camel}(each(records))), records, why)
})

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}
`
}

function readme(name, camel) {
  return `# ${name}

## NAME

${name} - pass records on

## SYNOPSIS

\`\`\`
${name} [options]
\`\`\`

## DESCRIPTION

Reads records and writes them again. \`import { ${camel} } from '@pipelayer/${name}'\` gives the same stage to a program.

## OPTIONS

## INPUT

Any records, closed by \`end\`.

## OUTPUT

The same records, in order.

## EXIT STATUS

0 done; 1 the input is wrong; 2 the command line is wrong; 141 the reader is gone.

## EXAMPLES

\`\`\`
$ echo '{"type":"x"}' | ${name} --no-end
{"type":"x"}
{"type":"end","tool":"${name}","records":1,"failed":0}
\`\`\`

## SEE ALSO

kf-parse, layer-pack
`
}
