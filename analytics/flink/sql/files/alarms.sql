-- Alarms out.
CREATE TABLE alarms (
  incident_id STRING, rule STRING, `scope` STRING, kind STRING, sequence INT, event_time STRING,
  opened_at STRING, order_count BIGINT, `value` DOUBLE, unit STRING, threshold DOUBLE,
  window_seconds INT, severity STRING, late BOOLEAN, test BOOLEAN, peak DOUBLE, total BIGINT,
  duration_seconds DOUBLE, source STRING
) WITH ('connector' = 'filesystem', 'path' = '${alarms}', 'format' = 'json');
