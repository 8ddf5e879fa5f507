"""The sign-in page, `killreport auth serve`: sign in with EVE, see the state of your characters, forget them."""
