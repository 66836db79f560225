"""End-to-end encryption: keys, sessions, trust and schemes, without sockets, clocks or disks of its own."""
