"""What the server and the network can see of what people say: nothing; and that docs/security.md says it so."""
