-- The order stream in, the alarm stream out.
CREATE TABLE order_lines (
  InvoiceNo STRING, StockCode STRING, Description STRING, Quantity STRING, InvoiceDate STRING,
  UnitPrice STRING, Customer STRING, Country STRING, LineNo STRING, ClientIP STRING,
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
  number INT, word STRING,
  EventTime AS CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(3)) - INTERVAL '${heartbeat}' SECOND,
  WATERMARK FOR EventTime AS EventTime
) WITH ('connector' = 'datagen', 'rows-per-second' = '10', 'fields.word.length' = '1');

CREATE TEMPORARY VIEW orders AS
SELECT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, Customer, Country,
       LineNo, ClientIP, EventTime FROM order_lines
UNION ALL
-- (Nothing plain: the planner would see that no rule reads these, and drop them.)
SELECT word, word, word, word, word, word, word, word,
       CASE WHEN number IS NULL THEN 'never' ELSE '' END, word, EventTime FROM heartbeat;

CREATE TABLE alarms (
  incident_id STRING, rule STRING, `scope` STRING, kind STRING, sequence INT, event_time STRING,
  opened_at STRING, order_count BIGINT, `value` DOUBLE, unit STRING, threshold DOUBLE,
  window_seconds INT, severity STRING, late BOOLEAN, test BOOLEAN, peak DOUBLE, total BIGINT,
  duration_seconds DOUBLE, source STRING
) PARTITIONED BY (incident_id) WITH (
  'connector' = 'kinesis', 'stream.arn' = '${alarms_arn}', 'aws.region' = '${region}',
  'format' = 'json', 'sink.flush-buffer.timeout' = '100', 'sink.fail-on-error' = 'true'
  ${sink_options}
);
