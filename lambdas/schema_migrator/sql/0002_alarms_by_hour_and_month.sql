-- What the history is kept for: how large the site must be in a period. An incident counts where
-- it opened; its minutes count where they passed (from each of its alarms to the next).
CREATE OR REPLACE SQL SECURITY INVOKER VIEW logs.alarms_by_hour AS
SELECT
  CAST(DATE_FORMAT(alarm_creation_time, '%Y-%m-%d %H:00:00') AS datetime) AS hour,
  rule,
  CAST(SUM(kind = 'OPEN') AS signed) AS incidents,
  ROUND(COALESCE(SUM(seconds), 0) / 60, 1) AS minutes_in_alarm,
  MAX(level) AS peak
FROM (
  SELECT
    alarm_creation_time, rule, kind, GREATEST(value, COALESCE(peak, value)) AS level,
    TIMESTAMPDIFF(MICROSECOND, LAG(alarm_creation_time) OVER (
      PARTITION BY incident_id, kind = 'CORRECTION' ORDER BY sequence
    ), alarm_creation_time) / 1000000 * (kind <> 'CORRECTION') AS seconds
  FROM logs.logs_history
  WHERE NOT test
) AS steps
GROUP BY 1, 2;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW logs.alarms_by_month AS
SELECT
  CAST(DATE_FORMAT(hour, '%Y-%m-01') AS date) AS month,
  rule,
  CAST(SUM(incidents) AS signed) AS incidents,
  SUM(minutes_in_alarm) AS minutes_in_alarm,
  MAX(peak) AS peak
FROM logs.alarms_by_hour
GROUP BY 1, 2;
