// Serve kinesalite or dynalite: serve.js PART PORT DIRECTORY. Their own commands listen on every
// address. Ending at once on a signal is safe: LevelDB's log has what was answered.
'use strict'

const [part, port, path] = process.argv.slice(2)
const times = { createStreamMs: 100, deleteStreamMs: 100, updateStreamMs: 100,
  createTableMs: 100, deleteTableMs: 100, updateTableMs: 100 }

require(part)({ path, shardLimit: 500, ...times }).listen(Number(port), '127.0.0.1')

// Both throw where a client goes away in the middle of a request: nothing was done yet, go on.
process.on('uncaughtException', (error) => {
  if (error.code === 'ECONNRESET') return
  console.error(error)
  process.exit(1)
})
