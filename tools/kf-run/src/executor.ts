import { fileURLToPath } from 'node:url'
import { runExecutor } from '@pipelayer/build'

runExecutor(fileURLToPath(new URL('layer-thread.cjs', import.meta.url)))
