"""A handler for each work queue; each registers itself. Those of users' lists are in users/handlers/."""
