// A bad line: passes TCP on to HOST:PORT, counts the bytes, and breaks connections.
//
//   cutting-proxy.mjs HOST:PORT [--cut BYTES] [--cuts N] [--rate BYTES]
//
// --cut BYTES breaks a connection when so many bytes have gone one way, N times in all (default: none);
// --rate BYTES lets each connection bring so many a second. Prints where it listens, then, each time it has counted
// some more, {"down":BYTES,"up":BYTES,"cuts":N}.
import net from 'node:net'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cut: { type: 'string', default: '0' },
    cuts: { type: 'string', default: '0' },
    rate: { type: 'string', default: '0' },
  },
})
const [host, port] = (positionals[0] ?? '').split(':')
const [cut, cuts, rate] = [values.cut, values.cuts, values.rate].map(Number)
const STEP_BYTES = 256 * 1024
const total = { down: 0, up: 0, cuts: 0 }
let told = 0

net
  .createServer(client => {
    const server = net.connect(Number(port), host)
    const both = [client, server]
    for (const one of both) one.on('error', () => destroy(both)).on('close', () => destroy(both))
    pass(server, client, 'down', both)
    pass(client, server, 'up', both)
  })
  .listen(0, '127.0.0.1', function () {
    console.log(`listening on 127.0.0.1:${this.address().port}`)
  })

function pass(from, to, way, both) {
  let passed = 0
  from.on('data', chunk => {
    passed += chunk.length
    total[way] += chunk.length
    tell()
    if (cut > 0 && passed >= cut && total.cuts < cuts) {
      total.cuts++
      tell(true)
      // Data that has come is still sent, as on a line that breaks.
      from.pause()
      to.write(chunk, () => destroy(both))
      return
    }
    const free = to.write(chunk)
    if (rate > 0) {
      from.pause()
      setTimeout(() => from.resume(), (chunk.length / rate) * 1000)
    } else if (!free) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
  from.on('end', () => to.end())
}

function tell(always = false) {
  const sum = total.down + total.up
  if (!always && sum - told < STEP_BYTES) return
  told = sum
  console.log(JSON.stringify(total))
}

function destroy(both) {
  for (const one of both) one.destroy()
}
