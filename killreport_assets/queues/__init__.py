"""The work queues: their catalogue, their messages, and their brokers. Never imports dagster."""
