import { serveLayerThread } from '@pipelayer/layer'

serveLayerThread()
