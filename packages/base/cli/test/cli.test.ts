import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import type { AnyRecord } from '@pipelayer/records'
import { type BuildOptions, build } from 'esbuild'
import t from 'tap'
import { printableOutput } from '../src/printable.js'
import { TextWriter } from '../src/text-writer.js'

// This program has a behaviour for each rule. It is built once and run as a process, since runTool takes over its
// process.
const PROGRAM = `
import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
runTool({
  name: 'sample', summary: 'does what a test asks', input: args => args.list ? 'references' : args.none ? 'none' : 'records',
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  options: {
    text: { type: 'boolean', describe: 'write text' }, list: { type: 'boolean', describe: 'read references' }, none: { type: 'boolean', describe: 'read nothing' },
    what: { type: 'string', value: 'WHAT', describe: 'behave so', choices: ['pass', 'throw', 'bug', 'errno', 'bidi', 'nul', 'hang', 'endless', 'failed', 'mark', 'output', 'deaf'], default: 'pass' },
    mark: { type: 'string', value: 'FILE', describe: 'made on exit' }, many: { type: 'array', value: 'X', describe: 'several', alias: 'm' }, count: { type: 'number', value: 'N', describe: 'a number' },
  },
  commands: [{ synopsis: 'pass FILE', describe: 'hand on' }, { synopsis: 'ls', describe: 'list' }],
  text: (args, { terminal }) => args.text || terminal ? { record: r => 'one ' + r.type + '\\n', end: last => 'last ' + last.type + '\\n' } : undefined,
  isBad: record => record.type === 'bad',
  async *run(records, args, context) {
    if (args.mark) context.onExit(() => require('node:fs').writeFileSync(args.mark, 'cleaned'))
    if (args.what === 'throw') { yield { type: 'x' }; throw new ToolError('NOT_GOOD', 'cannot do\\nthat', { status: 75 }) }
    if (args.what === 'bug') throw new TypeError('oops')
    if (args.what === 'bidi') { context.warn('a\u202eb', 'C\u2066'); context.output('f\u202e:1', Buffer.from('x')); throw new TypeError('oops\u200f\x9b') }
    if (args.what === 'nul') require('node:fs').readFileSync('a\0b')
    if (args.what === 'errno') require('node:fs').readFileSync('/nowhere/at/all')
    if (args.what === 'output') { for (let n = 1; n <= 30; n++) context.output('file:1', Buffer.from([0x1b, 0xff, 48 + n])); throw new ToolError('NOT_GOOD', 'no') }
    if (args.what === 'failed') yield { type: 'failed', tool: 'sample', code: 'ONE', message: 'one' }
    while (args.what === 'endless') yield { type: 'x' }
    if (args.what === 'deaf') { context.leaveInterrupts(); yield { type: 'x' }; process.kill(process.pid, 'SIGINT') }
    if (args.what === 'hang') { yield { type: 'x' }; context.warn('waiting\\x1b[1m'); await new Promise((_, no) => { const k = setInterval(() => {}, 1000); context.signal.addEventListener('abort', () => { clearInterval(k); no(context.signal.reason) }) }) }
    for await (const record of records) yield { ...record, many: args.many, count: args.count, words: args._ }
  },
})`
// A program that writes bytes.
const BYTES = `
import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
runTool({
  name: 'bytes', summary: 'writes bytes', input: 'none', output: 'bytes', isSilent: args => args.silent,
  options: { broken: { type: 'boolean', describe: 'fail' }, silent: { type: 'boolean', describe: 'write nothing' } },
  async *run(records, args) {
    if (!args.silent) yield Buffer.from('bytes')
    if (args.broken) throw new ToolError('NOT_GOOD', 'wrong bytes')
  },
})`
// A program that writes records or, with `--raw`, bytes.
const EITHER = `
import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
runTool({
  name: 'either', summary: 'writes one or the other', input: args => args.read ? 'records' : 'none', positionals: { synopsis: '[X]', min: 0, max: 1 },
  options: { raw: { type: 'boolean', describe: 'bytes' }, read: { type: 'boolean', describe: 'read records' }, broken: { type: 'boolean', describe: 'fail' } },
  output: args => args.raw ? 'bytes' : 'records',
  async *run(records, args) {
    if (args.read) return yield* records
    yield args.raw ? Buffer.from('bytes') : { type: 'x' }
    if (args.raw && args['--']) return Number(args['--'][0])
    if (args.broken) throw new ToolError('NOT_GOOD', 'cannot do\\nthat')
  },
})`
const END = '{"type":"end","tool":"up","records":0,"failed":0}\n'

interface Result {
  status: number | null
  signal: string | null
  out: string
  err: string
}

t.test('runTool()', async t => {
  const dir = t.testdir()
  const program = path.join(dir, 'sample.cjs')
  const options: BuildOptions = {
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['koffi'],
    conditions: ['@pipelayer/source'],
    logLevel: 'warning',
    define: { 'import.meta.url': '__u', PIPELAYER_VERSION: '"1.2.3"' },
    banner: { js: "const __u=require('node:url').pathToFileURL(__filename).href;" },
  }
  const made = { sample: PROGRAM, bytes: BYTES, either: EITHER }
  for (const [name, contents] of Object.entries(made)) {
    const stdin = { contents, resolveDir: process.cwd() }
    await build({ ...options, stdin, outfile: path.join(dir, `${name}.cjs`) })
  }
  fs.symlinkSync(path.resolve('../../../node_modules'), path.join(dir, 'node_modules'))
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: undefined, TAP: undefined }
  const start = (args: string[], stdio: 'pipe' | 'ignore' = 'pipe'): ChildProcess =>
    spawn(process.execPath, [program, ...args], { stdio: [stdio, 'pipe', 'pipe'], env })
  const ended = (child: ChildProcess): Promise<Result> =>
    new Promise(resolve => {
      let out = ''
      let err = ''
      child.stdout?.on('data', text => {
        out += text
      })
      child.stderr?.on('data', text => {
        err += text
      })
      child.on('close', (status, signal) => resolve({ status, signal, out, err }))
    })
  const run = (args: string[], input: string | undefined = END): Promise<Result> => {
    const child = start(args)
    if (input !== undefined) child.stdin?.end(input)
    return ended(child)
  }
  const last = (out: string) => JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')

  await t.test('the command line', async t => {
    // stdin stays open in every one of these: it must not be read.
    const usage: [string[], RegExp][] = [
      [['--nothing'], /unknown argument: nothing/],
      [['a', 'b'], /unexpected argument "b"/],
      [['--what', 'fly'], /--what takes pass or throw.*"fly"/],
      [['--what', 'pass', '--what', 'pass'], /--what was given 2 times/],
      [['--count', '-1'], /--count takes a whole number|not enough/],
      [['--count', '1e3'], /--count takes a whole number/],
      [['--mark'], /not enough arguments following: mark/],
    ]
    for (const [args, message] of usage) {
      const { status, out, err } = await run(args, undefined)
      t.same([status, out], [2, ''], args.join(' '))
      t.match(err, message)
      t.equal(err.split('\n').length, 2, 'one line')
    }
    const help = await run(['--help'], undefined)
    t.match(help, {
      status: 0,
      err: '',
      out: /^sample: does what a test asks\n\nUsage: sample \[options\] \[FILE\]\n\nCommands:\n {2}pass FILE {2}hand on\n {2}ls {9}list\n\nOptions:\n/,
    })
    t.match(await run(['--version'], undefined), { status: 0, out: 'sample 1.2.3\n' })
    t.match(
      JSON.parse(
        (await run(['-m', '1', '-m', '2', '--count', '3', 'f'], `{"type":"x"}\n${END}`)).out.split('\n')[0] ??
          '',
      ),
      { many: ['1', '2'], count: 3, words: ['f'] },
    )
  })

  await t.test('how it ends', async t => {
    t.match(await run([]), {
      status: 0,
      err: '',
      out: '{"type":"end","tool":"sample","records":0,"failed":0}\n',
    })
    t.match(await run([], ''), { status: 1, err: /^sample: cannot go on: .*INPUT_CUT\]\n$/ }, 'cut input')
    t.match(await run(['--no-end'], ''), { status: 0 })
    t.match(await run(['--streams', '2'], END + END), { status: 0 })
    const failed = await run(['--what', 'failed'])
    t.match(failed, { status: 1, err: /^sample: one \[ONE\]\n$/ }, 'of its own failures each is one line')
    const above = await run([], `{"type":"failed","tool":"up","code":"ONE","message":"one"}\n${END}`)
    t.match(above, { status: 1, err: /^$/, out: /"tool":"up"/ }, 'those from further up were said there')
    t.match(last(failed.out), { type: 'end', records: 1, failed: 1 })
    const thrown = await run(['--what', 'throw'])
    t.match(thrown, { status: 75, err: 'sample: cannot do; that [NOT_GOOD]\n' })
    t.same(last(thrown.out), { type: 'error', tool: 'sample', code: 'NOT_GOOD', message: 'cannot do; that' })
    const bug = await run(['--what', 'bug'])
    t.match(bug, { status: 70, err: /oops \[BUG\]\nTypeError: oops\n {4}at / })
    t.match(last(bug.out), { type: 'error', code: 'BUG' })
    t.match(await run(['--what', 'errno']), { status: 1, err: /no such file or directory.*\[ENOENT\]/ })
    const upstream = '{"type":"error","tool":"up","code":"FIRST","message":"cause"}\n'
    const passed = await run([], upstream)
    t.match(
      passed,
      { status: 1, out: upstream, err: /^$/ },
      'the first cause goes on down the pipe, and was said by who had it',
    )
    const told = 'sample: up failed: cause [FIRST]\n'
    t.match(await run(['--verbose'], upstream), { status: 1, out: upstream, err: told })
    const kept = path.join(dir, 'kept.ndjson')
    fs.writeFileSync(kept, upstream)
    const fromFile = spawnSync('sh', ['-c', `"${process.execPath}" "${program}" < "${kept}"`], { env })
    t.match(fromFile.stderr.toString(), told, 'a kept stream may come from a run that nobody saw')
    const either = `${process.execPath} ${path.join(dir, 'either.cjs')}`
    const terminal = (command: string): string =>
      spawnSync('script', ['-qec', command, '/dev/null'], {
        env: { ...env, NO_COLOR: '1' },
        encoding: 'utf8',
      }).stdout
    t.equal(
      terminal(`${either} --broken`),
      '{"type":"x"}\r\neither: cannot do; that [NOT_GOOD]\r\n',
      'a terminal gets one line of it, and no record',
    )
    t.equal(terminal(`cat ${kept} | ${either} --read`), '', 'nor of what was said further up')
    t.match(await run(['--list'], 'debian:12\n'), { status: 0, out: /"reference":"debian:12"/ })
    t.match(await run(['--none'], undefined), { status: 0 }, 'stdin is open and not waited for')
    t.match(await run(['--log-format', 'json'], ''), {
      err: /^\{"level":"error","tool":"sample","message":.*"code":"INPUT_CUT"\}\n$/,
    })
  })

  await t.test('no control of direction in a message', async t => {
    for (const more of [[], ['--log-format', 'json']]) {
      const { status, err } = await run(['--what', 'bidi', ...more])
      t.equal(status, 70)
      t.notMatch(
        err,
        /(?!\n)[\p{Cc}\p{Bidi_Control}]/u,
        'the text, the code, the place and the stack of a bug',
      )
      for (const shown of ['\\u202e', '\\u2066', '\\u200f']) t.ok(err.includes(shown), `${shown} is shown`)
    }
    const terminal = Object.assign(new PassThrough(), { isTTY: true })
    const form = { record: (record: AnyRecord) => `a\t${record.s}\n`, end: () => '' }
    await new TextWriter(terminal, form).write({ type: 'x', s: '\u202eb\x1b' })
    t.equal(String(terminal.read()), 'a\t\\u202eb\\x1b\n', 'nor in a text for a terminal')
    const nul = await run(['--what', 'nul'])
    t.match(nul, { status: 1, err: /^sample: cannot go on: 'a\\x00b' has a NUL byte/ }, 'no bug of ours')
  })

  await t.test('what a command writes that the tool runs', async t => {
    const lines = async (...args: string[]): Promise<string[]> =>
      (await run(['--what', 'output', ...args])).err.trimEnd().split('\n')
    const all = await lines()
    t.equal(all.length, 31)
    t.equal(all[0], 'file:1: \x1b\ufffd1', 'byte for byte where no terminal is')
    const quiet = await lines('-q')
    t.equal(quiet.length, 21, 'of a quiet one that fails the last lines')
    t.match(quiet.at(-2), /^file:1: .*N$/)
    t.equal(quiet.at(-1), 'sample: no [NOT_GOOD]')
    const json = (await lines('--log-format', 'json')).map(line => JSON.parse(line))
    t.same(json[0], { level: 'output', tool: 'sample', from: 'file:1', message: '\x1b\ufffd1' })
    const rows: readonly [line: string, want: string, why: string][] = [
      ['a\tb', 'a\tb', 'a tab'],
      ['\x1b[1;31mred', '\x1b[1;31mred\x1b[0m', 'a colour ends with its line'],
      ['10%\r20%\r\r', '20%', 'a progress bar'],
      ['\x1b]0;title\x07\x1b[2J\x9b2J', '\\x1b]0;title\\x07\\x1b[2J\\x9b2J\x1b[0m', 'nothing else is obeyed'],
    ]
    for (const [line, want, why] of rows) t.equal(printableOutput(line), want, why)
  })

  await t.test('text in place of records, and bad news', async t => {
    const rows: { args: string[]; input: string; status: number; out: string | RegExp; why: string }[] = [
      { args: ['--text'], input: END, status: 0, out: 'last end\n', why: 'no record' },
      {
        args: ['--text'],
        input: `{"type":"x"}\n${END}`,
        status: 0,
        out: 'one x\nlast end\n',
        why: 'a record',
      },
      { args: ['--text'], input: '{"type":"x"}\n', status: 1, out: 'one x\nlast error\n', why: 'cut input' },
      {
        args: ['--text', '--what', 'failed'],
        input: END,
        status: 1,
        out: 'one failed\nlast end\n',
        why: 'failed',
      },
      {
        args: ['--text'],
        input: `{"type":"bad"}\n${END}`,
        status: 1,
        out: 'one bad\nlast end\n',
        why: 'bad news',
      },
      {
        args: [],
        input: `{"type":"bad"}\n${END}`,
        status: 1,
        out: /"records":1,"failed":0\}\n$/,
        why: 'bad news as a record',
      },
    ]
    for (const { args, input, status, out, why } of rows)
      t.match(await run(args, input), { status, out }, why)
    const endless = start(['--text', '--what', 'endless'])
    endless.stdout?.once('data', () => endless.stdout?.destroy())
    t.match(await ended(endless), { status: 141, err: '' }, 'a reader that leaves')
  })

  await t.test('bytes in place of records', async t => {
    const rows: { args: string[]; status: number; out: string; err: string | RegExp; why: string }[] = [
      { args: [], status: 0, out: 'bytes', err: '', why: 'nothing but the bytes' },
      { args: ['--broken'], status: 1, out: 'bytes', err: /\[NOT_GOOD\]\n$/, why: 'told by the status' },
    ]
    const program = path.join(dir, 'bytes.cjs')
    for (const { args, why, ...expected } of rows) {
      const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env })
      t.match(await ended(child), expected, why)
    }
    // script(1) gives it a terminal.
    const onTerminal = spawnSync('script', ['-qec', `${process.execPath} ${program}`, '/dev/null'], {
      env,
      encoding: 'utf8',
    })
    t.match(onTerminal, { status: 2, stdout: /not written to a terminal.*USAGE/ })
    const silent = spawnSync('script', ['-qec', `${process.execPath} ${program} --silent`, '/dev/null'], {
      env,
    })
    t.equal(silent.status, 0, 'but when nothing goes there')
  })

  await t.test('bytes or records, as the arguments say', async t => {
    const records = '{"type":"x"}\n{"type":"end","tool":"either","records":1,"failed":0}\n'
    const rows: [args: string[], out: string, why: string][] = [
      [[], records, 'records'],
      [['--raw'], 'bytes', 'bytes'],
      [['--', '--raw'], records, 'a word that only looks like the option'],
    ]
    const either = (args: readonly string[]): ChildProcess =>
      spawn(process.execPath, [path.join(dir, 'either.cjs'), ...args], { env })
    for (const [args, out, why] of rows) t.match(await ended(either(args)), { status: 0, out, err: '' }, why)
    const returned = await ended(either(['--raw', '--', '7']))
    t.match(returned, { status: 7, out: 'bytes', err: '' }, 'a number that is returned is the status')
  })

  await t.test('a reader that leaves', async t => {
    const mark = path.join(dir, 'mark')
    const endless = start(['--what', 'endless', '--mark', mark])
    endless.stdout?.once('data', () => endless.stdout?.destroy())
    t.match(await ended(endless), { status: 141, err: '' }, 'seen at the next write, silently')
    t.equal(fs.readFileSync(mark, 'utf8'), 'cleaned')
    fs.rmSync(mark)
    const hanging = start(['--what', 'hang', '--quiet', '--mark', mark])
    hanging.stdout?.once('data', () => hanging.stdout?.destroy())
    t.match(
      await ended(hanging),
      { status: 141, err: '' },
      'seen within a second by a tool that writes nothing',
    )
    t.equal(fs.readFileSync(mark, 'utf8'), 'cleaned')
  })

  await t.test('signals', async t => {
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const mark = path.join(dir, signal)
      const child = start(['--what', 'hang', '--mark', mark])
      child.stdout?.once('data', () => child.kill(signal))
      const result = await ended(child)
      t.match(result, { status, err: new RegExp(`ended by ${signal} \\[STOPPED\\]`) })
      t.match(last(result.out), { type: 'error', code: 'STOPPED' }, 'the next tool learns the cause')
      t.equal(fs.readFileSync(mark, 'utf8'), 'cleaned')
      t.notMatch(result.err, /\x1b/, 'no control character of a message reaches the terminal')
    }
    t.match(await run(['--what', 'deaf']), { status: 0, err: '' }, 'Ctrl-C can be left to a command')
    const waiting = start([])
    waiting.stdin?.write('{"type":"x"}\n')
    waiting.stdout?.once('data', () => waiting.kill('SIGTERM'))
    t.match(await ended(waiting), { status: 143 }, 'also while it waits for input')
  })

  await t.test('a full disk behind stdout', async t => {
    const child = spawn('sh', ['-c', `exec "${process.execPath}" "${program}" --none > /dev/full`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    })
    t.match(await ended(child), { status: 75, err: /no space left on device/ })
  })
})
