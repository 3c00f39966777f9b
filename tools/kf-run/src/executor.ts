import { fileURLToPath } from 'node:url'
import { bringImages } from '@pipelayer/cluster-build'
import { runExecutor } from '@pipelayer/executor'

runExecutor({
  layerThread: fileURLToPath(new URL('layer-thread.cjs', import.meta.url)),
  bringImages,
})
