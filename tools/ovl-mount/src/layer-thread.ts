import { serveLayerThread } from '@pipelayer/unpacking'

serveLayerThread()
