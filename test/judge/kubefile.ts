export const adapters = {}
