"""The work queues: their catalogue, their messages, and the brokers that carry them. Never imports dagster."""
