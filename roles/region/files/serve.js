// Serve kinesalite or dynalite: serve.js PART PORT DIRECTORY. Their own commands listen on every
// address. Ending at once on a signal is safe: LevelDB's log has what was answered.
'use strict'

const [part, port, path] = process.argv.slice(2)
const amend = { kinesalite: [trimStreams, takeArns], dynalite: [keepTagsOfNewTables] }
// No time in between states: what is killed while it makes a table or a stream leaves it so for ever.
const times = { createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 0,
  createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 }

for (const change of amend[part]) change()
require(part)({ path, shardLimit: 500, ...times }).listen(Number(port), '127.0.0.1')

// Both throw where a client goes away in the middle of a request: nothing was done yet, go on.
process.on('uncaughtException', (error) => {
  if (error.code === 'ECONNRESET') return
  console.error(error)
  process.exit(1)
})

// kinesalite deletes an expired record only when a reader comes by it again, and readers go forward.
function trimStreams () {
  const db = require('kinesalite/db')
  const create = db.create
  db.create = (options) => {
    const store = create(options)
    setInterval(() => trim(store).catch(console.error), 10 * 60 * 1000)
    return store
  }

  async function trim (store) {
    for await (const { key: name, value: stream } of store.metaDb.createReadStream()) {
      const records = store.getStreamDb(name)
      const oldest = Date.now() - stream.RetentionPeriodHours * 60 * 60 * 1000
      for (const shard of stream.Shards.keys()) {
        const range = { gte: db.shardIxToHex(shard) + '/', lt: db.shardIxToHex(shard + 1) }
        for await (const key of records.createKeyStream(range)) {
          if (db.parseSequence(key.split('/')[1]).seqTime >= oldest) break
          await records.del(key)
        }
      }
    }
  }
}

// kinesalite knows streams by name only, and no filter of shards; Flink's connector calls by ARN.
function takeArns () {
  const validations = require('kinesalite/validations')
  const { checkTypes } = validations
  validations.checkTypes = (data, types) => {
    const { StreamARN: arn, ShardFilter: filter } = data
    if (types.StreamName && arn && !data.StreamName) data.StreamName = arn.split('/').at(-1)
    if (types.ExclusiveStartShardId && filter?.Type === 'AFTER_SHARD_ID') {
      data.ExclusiveStartShardId = filter.ShardId
    }
    return checkTypes(data, types)
  }
}

// dynalite ignores the tags in CreateTable.
function keepTagsOfNewTables () {
  const { types } = require('dynalite/validations/createTable')
  const create = require('dynalite/actions/createTable')
  const tag = require('dynalite/actions/tagResource')
  types.Tags = require('dynalite/validations/tagResource').types.Tags
  require.cache[require.resolve('dynalite/actions/createTable')].exports =
    (store, { Tags, ...table }, answer) => create(store, table, (error, created) => {
      if (error || !Tags) return answer(error, created)
      tag(store, { ResourceArn: table.TableArn, Tags }, (error) => answer(error, created))
    })
}
