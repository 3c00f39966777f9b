import { runExecutor } from '@pipelayer/build'

runExecutor()
