import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { ToolError } from '@pipelayer/errors'
import { runExecutor } from '@pipelayer/executor'

const load = createRequire(import.meta.url)

runExecutor({
  layerThread: fileURLToPath(new URL('layer-thread.cjs', import.meta.url)),
  bringImages: async (...request) => {
    const images = load('./images.cjs') as typeof import('./images.js')
    const failure = await images.bringImages(...request)
    if (failure)
      throw new ToolError(failure.code, failure.message, { cause: failure, status: failure.status })
  },
})
