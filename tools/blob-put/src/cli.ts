import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { openPlace, type PlaceOptions } from '@pipelayer/places'
import { defaultStorePath } from '@pipelayer/store'
import { blobPut } from './index.js'
import { takesMany } from './target.js'

runTool({
  name: 'blob-put',
  summary: 'write the images of a stream to a registry or another place',
  options: {
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store of "store:" places (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
    'plain-http': { type: 'boolean', describe: 'speak plain HTTP to registries, not only to local ones' },
  },
  positionals: { synopsis: '[PLACE]', min: 0, max: 1 },
  input: 'records',
  run: (records, args, { env, signal }) => {
    const options = {
      store: args.store ?? defaultStorePath(env),
      plainHttp: args['plain-http'],
      env,
      signal,
    }
    const [place] = args._
    if (place === undefined) return blobPut(records, options)
    checkPlace(place, options)
    return blobPut(records, { ...options, place })
  },
})

// A place that cannot be is a wrong command line: nothing is read then.
function checkPlace(place: string, options: PlaceOptions): void {
  try {
    if (!takesMany(place)) openPlace(place, options)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}
