import { fileURLToPath } from 'node:url'
import { runExecutor } from '@pipelayer/executor'

runExecutor({
  layerThread: fileURLToPath(new URL('layer-thread.cjs', import.meta.url)),
  // This is half of the program, and only builds of cluster images need it: the others do not wait for it.
  bringImages: async (...request) => (await import('@pipelayer/cluster-build')).bringImages(...request),
})
