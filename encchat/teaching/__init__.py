"""For teaching only: Diffie-Hellman on a finite field and RC4, as old chats had it. It does not protect anybody."""
