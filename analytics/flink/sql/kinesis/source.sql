-- The stream $source in.
CREATE TABLE ${source}_lines (
  $columns,
  `$moment` TIMESTAMP_LTZ(3),
  WATERMARK FOR `$moment` AS `$moment` - INTERVAL '$lateness' SECOND
) WITH (
  'connector' = 'kinesis', 'stream.arn' = '$${${source}_arn}', 'aws.region' = '${region}',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
  'json.ignore-parse-errors' = 'true', 'source.init.position' = 'TRIM_HORIZON',
  'source.shard.discovery.interval' = '3 s'
  ${source_options}
);

-- Only a later event lets time go on; without lines, these do. They wait for the lines as long as
-- their source is not idle. The last column of their identity is empty, by which the rules leave
-- them out.
CREATE TABLE ${source}_heartbeat (
  number INT, word STRING,
  moment AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(3)) - INTERVAL '$heartbeat' SECOND,
  WATERMARK FOR moment AS moment
) WITH ('connector' = 'datagen', 'rows-per-second' = '10', 'fields.word.length' = '1');

CREATE TEMPORARY VIEW `$source` AS
SELECT $names, `$moment` FROM ${source}_lines
UNION ALL
-- (Nothing plain: the planner would see that no rule reads these, and drop them.)
SELECT $beats, moment FROM ${source}_heartbeat;
