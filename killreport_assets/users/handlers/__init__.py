"""The handlers of the queues of users' killmail lists."""
