"""Where killmails and static data come from: discover and read. Writing is for store/; never imports dagster."""
