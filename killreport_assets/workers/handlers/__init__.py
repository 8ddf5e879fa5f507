"""The handlers of the work queues; each registers itself. Those of users' lists are in users/handlers/."""
