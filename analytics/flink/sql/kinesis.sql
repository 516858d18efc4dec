-- The order stream in, the alarm stream out.
CREATE TABLE order_lines (
  InvoiceNo STRING, LineNo STRING, StockCode STRING, Country STRING, ClientIP STRING,
  EventTime TIMESTAMP_LTZ(3),
  WATERMARK FOR EventTime AS EventTime - INTERVAL '${lateness}' SECOND
) WITH (
  'connector' = 'kinesis', 'stream.arn' = '${orders_arn}', 'aws.region' = '${region}',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
  'json.ignore-parse-errors' = 'true', 'source.init.position' = 'TRIM_HORIZON',
  'source.shard.discovery.interval' = '3 s'
  ${source_options}
);

-- Only a later event lets time go on; without orders, these do. They wait for the orders as long
-- as their source is not idle. Their LineNo is empty, by which the rules leave them out.
CREATE TABLE heartbeat (
  number INT,
  EventTime AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(3)) - INTERVAL '${heartbeat}' SECOND,
  WATERMARK FOR EventTime AS EventTime
) WITH ('connector' = 'datagen', 'rows-per-second' = '10');

CREATE TEMPORARY VIEW orders AS
SELECT InvoiceNo, LineNo, Country, ClientIP, EventTime FROM order_lines
UNION ALL
-- (Not a plain '': the planner would see that no rule reads these, and drop them.)
SELECT '', CASE WHEN number IS NULL THEN 'never' ELSE '' END, '', '', EventTime FROM heartbeat;

CREATE TABLE alarms (
  incident_id STRING, rule STRING, `scope` STRING, kind STRING, sequence INT, event_time STRING,
  opened_at STRING, order_count BIGINT, `value` BIGINT, unit STRING, threshold BIGINT,
  window_seconds INT, severity STRING, late BOOLEAN, test BOOLEAN, peak BIGINT, total BIGINT,
  duration_seconds DOUBLE
) PARTITIONED BY (incident_id) WITH (
  'connector' = 'kinesis', 'stream.arn' = '${alarms_arn}', 'aws.region' = '${region}',
  'format' = 'json', 'sink.flush-buffer.timeout' = '100', 'sink.fail-on-error' = 'true'
  ${sink_options}
);
