-- As before, but of a rule whose value falls below its threshold (`below`) the peak is the lowest.
-- In an alarm `peak` is the worst value so far, and where there is none yet, `value` is.
-- Dropped first: to replace a view MariaDB copies its file with the owner, which its unit may not.
DROP VIEW IF EXISTS logs.alarms_by_month;
DROP VIEW IF EXISTS logs.alarms_by_hour;

CREATE SQL SECURITY INVOKER VIEW logs.alarms_by_hour AS
SELECT
  CAST(DATE_FORMAT(alarm_creation_time, '%Y-%m-%d %H:00:00') AS datetime) AS hour,
  rule,
  CAST(SUM(kind = 'OPEN') AS signed) AS incidents,
  ROUND(COALESCE(SUM(seconds), 0) / 60, 1) AS minutes_in_alarm,
  IF(MAX(worst - threshold) < 0, MIN(worst), MAX(worst)) AS peak,
  CAST(MAX(worst - threshold) < 0 AS signed) AS below
FROM (
  SELECT
    alarm_creation_time, rule, kind, threshold, COALESCE(peak, value) AS worst,
    TIMESTAMPDIFF(MICROSECOND, LAG(alarm_creation_time) OVER (
      PARTITION BY incident_id, kind = 'CORRECTION' ORDER BY sequence
    ), alarm_creation_time) / 1000000 * (kind <> 'CORRECTION') AS seconds
  FROM logs.logs_history
  WHERE NOT test
) AS steps
GROUP BY 1, 2;

CREATE SQL SECURITY INVOKER VIEW logs.alarms_by_month AS
SELECT
  CAST(DATE_FORMAT(hour, '%Y-%m-01') AS date) AS month,
  rule,
  CAST(SUM(incidents) AS signed) AS incidents,
  SUM(minutes_in_alarm) AS minutes_in_alarm,
  IF(MIN(below), MIN(peak), MAX(peak)) AS peak,
  MIN(below) AS below
FROM logs.alarms_by_hour
GROUP BY 1, 2;
