-- Of which stream's lines an alarm is, and what else it knows. Until now there were orders alone.
-- MySQL adds no column only where it is missing, as it may be after a migration that failed half way.
SET @statement = (
  SELECT IF(COUNT(*), 'DO 0', 'ALTER TABLE logs.logs_history
    ADD COLUMN source varchar(64) COLLATE utf8mb4_bin NOT NULL DEFAULT ''orders'' AFTER reason,
    ADD COLUMN expected json AFTER source,
    ADD COLUMN context json AFTER expected')
  FROM information_schema.columns
  WHERE table_schema = 'logs' AND table_name = 'logs_history' AND column_name = 'source'
);
PREPARE add_source FROM @statement;
EXECUTE add_source;
DEALLOCATE PREPARE add_source;
