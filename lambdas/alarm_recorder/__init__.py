"""From the alarm stream to the history and to people: alarm, history, notification, handler."""
