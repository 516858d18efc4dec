-- Why an incident was closed otherwise than by its rule. MySQL adds no column only where it is
-- missing, as it may be after a migration that failed half way.
SET @statement = (
  SELECT IF(COUNT(*), 'DO 0', 'ALTER TABLE logs.logs_history ADD COLUMN reason varchar(255) AFTER top')
  FROM information_schema.columns
  WHERE table_schema = 'logs' AND table_name = 'logs_history' AND column_name = 'reason'
);
PREPARE add_reason FROM @statement;
EXECUTE add_reason;
DEALLOCATE PREPARE add_reason;
