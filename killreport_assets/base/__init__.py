"""What every room may use: errors, log lines, redaction, text that PostgreSQL can hold. No I/O but log lines."""
