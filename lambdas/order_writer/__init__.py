"""From the order stream to the order table: order, table, handler."""
