-- Recorded order lines in, alarms out: for tests and comparisons.
CREATE TABLE orders (
  InvoiceNo STRING, StockCode STRING, Description STRING, Quantity STRING, InvoiceDate STRING,
  UnitPrice STRING, Customer STRING, Country STRING, LineNo STRING, EventTime STRING,
  ClientIP STRING,
  event_time AS TO_TIMESTAMP(EventTime, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z'''),
  WATERMARK FOR event_time AS event_time - INTERVAL '0.5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${orders}', 'format' = 'json');

CREATE TABLE alarms (
  incident_id STRING, rule STRING, `scope` STRING, kind STRING, sequence INT, event_time STRING,
  opened_at STRING, order_count BIGINT, `value` BIGINT, unit STRING, threshold BIGINT,
  window_seconds INT, severity STRING, late BOOLEAN, test BOOLEAN, peak BIGINT, total BIGINT,
  duration_seconds DOUBLE
) WITH ('connector' = 'filesystem', 'path' = '${alarms}', 'format' = 'json');
