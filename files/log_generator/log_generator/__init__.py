"""A line's way: dataset, prepared, replay, schedule, record, generator, order_log."""
