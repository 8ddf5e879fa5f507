"""What deploy/ has, and several daemons: by `make test-deploy`, because it takes minutes and more packages."""
