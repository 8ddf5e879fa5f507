"""Looking after the platform: backups and restoring, alerts, the doctor, erasing a person's data."""
