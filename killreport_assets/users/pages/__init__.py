"""The sign-in page, `killreport auth serve`: sign in with EVE, see how one's characters stand, leave again."""
