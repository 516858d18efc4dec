-- Recorded lines of $source in: for tests and comparisons.
CREATE TABLE `$source` (
  $columns,
  `$moment` TIMESTAMP_LTZ(3),
  WATERMARK FOR `$moment` AS `$moment` - INTERVAL '$lateness' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = '$${$source}', 'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601', 'json.ignore-parse-errors' = 'true'
);
