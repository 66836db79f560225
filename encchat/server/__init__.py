"""The server: store, accounts, the chat's rules, commands, and the service that runs them."""
