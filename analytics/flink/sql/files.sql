-- Recorded order lines in, alarms out: for tests and comparisons.
CREATE TABLE orders (
  InvoiceNo STRING, StockCode STRING, Description STRING, Quantity STRING, InvoiceDate STRING,
  UnitPrice STRING, Customer STRING, Country STRING, LineNo STRING, ClientIP STRING,
  EventTime TIMESTAMP_LTZ(3),
  WATERMARK FOR EventTime AS EventTime - INTERVAL '${lateness}' SECOND
) WITH (
  'connector' = 'filesystem', 'path' = '${orders}', 'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601', 'json.ignore-parse-errors' = 'true'
);

CREATE TABLE alarms (
  incident_id STRING, rule STRING, `scope` STRING, kind STRING, sequence INT, event_time STRING,
  opened_at STRING, order_count BIGINT, `value` DOUBLE, unit STRING, threshold DOUBLE,
  window_seconds INT, severity STRING, late BOOLEAN, test BOOLEAN, peak DOUBLE, total BIGINT,
  duration_seconds DOUBLE, source STRING
) WITH ('connector' = 'filesystem', 'path' = '${alarms}', 'format' = 'json');
