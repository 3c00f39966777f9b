// A part of undici that its own types know by its index alone. The index also loads fetch, caches and web sockets.
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici'
  export default Agent
}
