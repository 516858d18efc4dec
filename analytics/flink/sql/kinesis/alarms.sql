-- The alarm stream out.
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
