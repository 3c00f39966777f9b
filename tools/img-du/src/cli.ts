import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgDu } from './index.js'
import { textForm } from './text.js'

runTool({
  name: 'img-du',
  summary: 'tell what takes the space of the store',
  options: { store: storeOption('the store') },
  input: 'none',
  text: (_args, { terminal }) => (terminal ? textForm() : undefined),
  run: (_records, { store }, { env }) => imgDu(store ?? defaultStorePath(env)),
})
