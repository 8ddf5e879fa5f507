"""Users, who sign in with EVE: SSO, tokens, their killmail lists."""
