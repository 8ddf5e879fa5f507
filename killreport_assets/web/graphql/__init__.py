"""The GraphQL API: schema.graphql is the contract; what it reads is in the modules of web/ that pages use too."""
