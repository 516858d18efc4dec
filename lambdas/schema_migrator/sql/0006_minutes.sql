-- What the engine counted, a row a minute and key. Written by replacement: the row with the most
-- requests (orders, ticks, lines) is the newest. `minute` is its beginning, UTC.
CREATE TABLE IF NOT EXISTS logs.access_minutes (
  minute datetime NOT NULL,
  service varchar(120) NOT NULL,
  direction varchar(120) NOT NULL COMMENT 'in, or out to the service called',
  called varchar(120) NOT NULL,
  route varchar(120) NOT NULL,
  visitor varchar(120) NOT NULL,
  requests int unsigned NOT NULL,
  status_5xx int unsigned NOT NULL,
  status_4xx int unsigned NOT NULL,
  status_499 int unsigned NOT NULL COMMENT 'of status_4xx: the client went away',
  bytes bigint unsigned NOT NULL,
  histogram json NOT NULL COMMENT 'requests by bucket of their time: [[bucket, requests], ...]',
  PRIMARY KEY (minute, service, direction, called, route, visitor)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS logs.order_minutes (
  minute datetime NOT NULL,
  orders int unsigned NOT NULL,
  PRIMARY KEY (minute)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS logs.rule_minutes (
  minute datetime NOT NULL,
  rule varchar(64) NOT NULL,
  scope varchar(255) NOT NULL,
  value double NOT NULL COMMENT 'what went furthest: the highest, of a rule "below" the lowest',
  threshold double NOT NULL,
  `lines` int unsigned NOT NULL COMMENT 'in the window then',
  hot_ticks int unsigned NOT NULL COMMENT 'of the ticks (100 ms) that were decided',
  ticks int unsigned NOT NULL,
  PRIMARY KEY (minute, rule, scope)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS logs.slo_minutes (
  minute datetime NOT NULL,
  rule varchar(64) NOT NULL,
  scope varchar(255) NOT NULL,
  objective double NOT NULL,
  `lines` int unsigned NOT NULL,
  bad int unsigned NOT NULL,
  PRIMARY KEY (minute, rule, scope)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The views tell of what users asked of a service. Where nothing was asked there is no row: whether
-- it was available is unknown then.
DROP VIEW IF EXISTS logs.availability_by_hour;
DROP VIEW IF EXISTS logs.latency_by_hour;
DROP VIEW IF EXISTS logs.slo_budget;
DROP VIEW IF EXISTS logs.orders_by_hour;

CREATE SQL SECURITY INVOKER VIEW logs.availability_by_hour AS
SELECT
  CAST(DATE_FORMAT(minute, '%Y-%m-%d %H:00:00') AS datetime) AS hour,
  service,
  route,
  CAST(SUM(requests) AS signed) AS requests,
  CAST(SUM(status_5xx) AS signed) AS failed,
  1 - SUM(status_5xx) / SUM(requests) AS availability
FROM logs.access_minutes
WHERE direction = 'in' AND visitor = 'user'
GROUP BY 1, 2, 3;

-- A bucket is 1 ms wide up to 64 ms, then 32 buckets share an octave; told is its middle.
CREATE SQL SECURITY INVOKER VIEW logs.latency_by_hour AS
SELECT
  hour,
  service,
  route,
  CAST(MAX(requests) AS signed) AS requests,
  MIN(IF(up_to >= CEILING(0.5 * requests), ms, NULL)) AS p50_ms,
  MIN(IF(up_to >= CEILING(0.95 * requests), ms, NULL)) AS p95_ms,
  MIN(IF(up_to >= CEILING(0.99 * requests), ms, NULL)) AS p99_ms
FROM (
  SELECT
    hour,
    service,
    route,
    IF(bucket < 64, bucket, ((bucket & 31) + 32.5) * POW(2, (bucket >> 5) - 1) - 0.5) AS ms,
    SUM(amount) OVER (PARTITION BY hour, service, route ORDER BY bucket) AS up_to,
    SUM(amount) OVER (PARTITION BY hour, service, route) AS requests
  FROM (
    SELECT
      CAST(DATE_FORMAT(minute, '%Y-%m-%d %H:00:00') AS datetime) AS hour,
      service,
      route,
      bucket,
      SUM(amount) AS amount
    FROM logs.access_minutes
    JOIN JSON_TABLE(
      histogram, '$[*]' COLUMNS (bucket int PATH '$[0]', amount int PATH '$[1]')
    ) AS cells
    WHERE direction = 'in' AND visitor = 'user'
    GROUP BY 1, 2, 3, 4
  ) AS buckets
) AS ranked
GROUP BY 1, 2, 3;

-- `left_share` is what is left of the month's budget so far: 1 is all, less than 0 overspent.
CREATE SQL SECURITY INVOKER VIEW logs.slo_budget AS
SELECT
  CAST(DATE_FORMAT(minute, '%Y-%m-01') AS date) AS month,
  rule,
  scope,
  CAST(SUM(`lines`) AS signed) AS `lines`,
  CAST(SUM(bad) AS signed) AS bad,
  1 - SUM(`lines` * (1 - objective)) / SUM(`lines`) AS objective,
  1 - SUM(bad) / SUM(`lines`) AS availability,
  1 - SUM(bad) / SUM(`lines` * (1 - objective)) AS left_share
FROM logs.slo_minutes
GROUP BY 1, 2, 3;

CREATE SQL SECURITY INVOKER VIEW logs.orders_by_hour AS
SELECT
  CAST(DATE_FORMAT(minute, '%Y-%m-%d %H:00:00') AS datetime) AS hour,
  CAST(SUM(orders) AS signed) AS orders,
  CAST(MAX(orders) AS signed) AS peak_minute
FROM logs.order_minutes
GROUP BY 1;
