"""The services that the sandbox stands in for, a module each: routes and answers over the sandbox's world."""
