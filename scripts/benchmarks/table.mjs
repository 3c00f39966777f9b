// Prints a table of medians, with targets beside what was measured.

const COLUMNS = [
  { key: 'wall', head: 'wall s', digits: 2, isRatio: true },
  { key: 'cpu', head: 'cpu s', digits: 2, isRatio: true },
  { key: 'peak', head: 'peak MB', digits: 0 },
  { key: 'size', head: 'out MB', digits: 2, isRatio: true },
  { key: 'item', head: 'us/item', digits: 1, isRatio: true },
]
const UNITS = { peak: ' MB', item: ' us', wall: ' s', cpu: ' s', size: ' MB' }
const NAME_WIDTH = 24

/** Prints rows, which have `name`, figures by the keys of the columns and `targets`; ratios are to the first row. */
export function printTable(title, rows) {
  const columns = COLUMNS.filter(({ key }) => rows.some(row => row[key] !== undefined))
  console.log(`\n${title}`)
  console.log(line('', columns.flatMap(headsOf)))
  for (const row of rows)
    console.log(
      line(
        row.name,
        columns.flatMap(column => cellsOf(column, row, rows[0])),
      ),
    )
  const targets = rows.flatMap(row => (row.targets ?? []).flatMap(target => judged(row, target, rows)))
  for (const { text } of targets) console.log(`  ${text}`)
  return [
    ...rows.map(row => ({ title, name: row.name, ...figuresOf(row) })),
    ...targets.map(({ text: _, ...target }) => ({ title, ...target })),
  ]
}

function headsOf({ head, isRatio }) {
  return isRatio ? [head, 'ratio'] : [head]
}

function cellsOf({ key, digits, isRatio }, row, first) {
  const value = row[key]?.toFixed(digits) ?? (row.wall === undefined ? 'failed' : '-')
  return isRatio
    ? [value, row[key] > 0 && first[key] > 0 ? `${(row[key] / first[key]).toFixed(2)}x` : '-']
    : [value]
}

/** A target is a ratio to another row (`to`), a distance from one (`beyond`), or absolute. */
function judged({ name, ...row }, { what = 'wall', to, beyond, most }, rows) {
  const other = rows.find(candidate => candidate.name === (to ?? beyond))?.[what]
  const isAbsolute = to === undefined && beyond === undefined
  const aim = `target: ${name}, ${what}, at most ${most}${limitText({ what, to, beyond })}`
  const target = { name, what, to, beyond, most }
  if (row[what] === undefined || (other === undefined && !isAbsolute))
    return [{ ...target, text: `${aim}: not measured`, measured: null }]
  const ratio = other > 0 ? row[what] / other : Number.NaN
  const measured = isAbsolute ? row[what] : to === undefined ? row[what] - other : ratio
  const verdict = measured <= most ? 'met' : 'missed'
  return [{ ...target, text: `${aim}, measured ${measured.toFixed(2)}: ${verdict}`, measured, verdict }]
}

function limitText({ what, to, beyond }) {
  if (to !== undefined) return ` of ${to}`
  return beyond === undefined ? UNITS[what] : `${UNITS[what]} beyond ${beyond}`
}

function figuresOf(row) {
  return Object.fromEntries(
    COLUMNS.filter(({ key }) => row[key] !== undefined).map(({ key }) => [key, row[key]]),
  )
}

function line(name, cells) {
  return `  ${name.padEnd(NAME_WIDTH)}${cells.map(cell => cell.padStart(9)).join('')}`
}
