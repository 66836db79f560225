"""Tests of the chat's rules."""
