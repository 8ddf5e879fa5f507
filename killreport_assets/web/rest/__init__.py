"""The REST API: zKillboard's addresses and answers, what its users have missed there, and a feed in R2Z2's form."""
